"""The data plane's transport: gunicorn's arbiter, its workers, and the connections that they keep.

Runs in gunicorn's processes. May import every room of the data plane; nobody imports it but gunicorn.
"""
