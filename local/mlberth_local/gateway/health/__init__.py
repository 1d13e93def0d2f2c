"""Health checks of instances that take requests; they run in the gateway's process.

May import the room above it, and the root.
"""
