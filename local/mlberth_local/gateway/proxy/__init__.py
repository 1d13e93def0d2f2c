"""The gateway's own process: from a client's request to a container's response and back.

May import the room above it, `health`, and the root.
"""
