"""The user's code: found, imported, and its errors explained.

Runs in the supervisor, which finds it, and in the arbiter or the workers, which import it. Standard library
only; may import the root.
"""
