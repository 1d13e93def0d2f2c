"""The models of multi-model endpoints: which are loaded on an instance, which are on its disk, who has to go.

Runs in the gateway's process, in its event loop. May import the room above it, and those to its left.
"""
