"""Requests of the platform rendered for engines beyond one machine: manifests, batch scripts.

Runs in the command `mlberth render`; starts nothing. botocore's models; may import every room before it.
"""
