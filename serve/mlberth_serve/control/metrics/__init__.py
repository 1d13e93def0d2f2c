"""The page of /metrics: read from the workers' shared memory, and written for nginx to serve.

Runs in the supervisor's process. May import `shared` and the root.
"""
