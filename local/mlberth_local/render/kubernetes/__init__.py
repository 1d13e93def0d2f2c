"""Manifests for Kubernetes: Job and JobSet of a job's request, Deployment and Service of an endpoint's.

Pure functions of checked requests, in the command `mlberth render`; may import the rooms before `render`.
"""
