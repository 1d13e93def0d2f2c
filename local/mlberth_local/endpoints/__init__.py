"""Endpoints: fleets of instances, and deployments from one configuration to another.

Runs in the daemon; may import the rooms to its left. `driver` commits what a stage of `deployment.STAGES` and
`fleet.scale` make of the record, and only then acts: traffic follows `Deployment.share`, instances follow
`Fleet.desired`. A new way to deploy is a stage that changes both step by step; a scaler sets `desired`.
"""
