"""Batch transform: objects cut into records, sent to a model server, and its answers put together.

Runs in the daemon, in threads of a transform job. May import the root, `store`, `engines`, `s3` and `inputs`.
"""
