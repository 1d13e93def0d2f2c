"""The inputs of jobs: which objects, under which names, and how they come to the hosts.

Runs in the daemon; the feeder of pipes is a process of its own that outlives it. May import the root,
`store`, `engines` and `s3`.
"""
