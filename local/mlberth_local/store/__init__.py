"""The record of resources: one SQLite file below the platform's home.

Runs in the daemon, in any of its threads. Standard library; may import the root.
"""
