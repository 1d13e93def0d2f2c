"""The gateway, before all endpoints: a process of its own, which outlives the daemon.

Here is what both sides know, and the daemon's side; `proxy` has what runs in the process. The daemon writes
the table of what goes where. May import the root and `store`.
"""
