"""`mlberth run train|process|transform`: a job of the platform from a folder and flags.

Runs in the command's own process, a client of the daemon like any other. May import all rooms to its left.
"""
