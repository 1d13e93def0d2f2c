"""Endpoints: fleets of instances, and deployments from one configuration to another.

Runs in the daemon: a thread for each endpoint that has something to do (`driver`), and one that looks whether
the instances of the others still run. May import the rooms to its left, up to `jobs` and `gateway`.

Each step is a function of the record alone: `fleet.scale` names instances and retires surplus ones, a
stage of `deployment.STAGES` moves shares of traffic and the numbers of instances, and `driver` commits both
before it acts. A new way to deploy is a stage that sets `Deployment.share` step by step; whatever scales sets
`Fleet.desired`. A daemon that is killed goes on from the record.
"""
