"""Jobs: a queue, and one thread for each job that brings it from what it was to its end.

Runs in the daemon. Each step may be cut off by a kill and is done again at the next start. May import the
rooms to its left: the root, `store`, `engines`, `s3`, `inputs` and `transform`.
"""
