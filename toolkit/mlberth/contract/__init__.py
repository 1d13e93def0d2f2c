"""The contract as data: the /opt/ml tree, its files, the hosts, and the SM_* variables made from them.

Runs in every command and in the user's program (`mlberth.environment()`).
Standard library; may import the root.
"""
