"""Files, shared memory and descriptors that cross between processes, with one module for each.

Runs in the supervisor, in gunicorn's arbiter and in its workers: the only room that both planes import.
May import `usercode` and the root.
"""
