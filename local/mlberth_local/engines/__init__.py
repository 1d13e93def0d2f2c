"""Engines, which run the hosts of a job: as containers, or as processes of this environment.

Runs in the daemon; each host of the process engine has a shim, a process that outlives the daemon. Only
`docker` imports the Docker SDK. May import the root.
"""
