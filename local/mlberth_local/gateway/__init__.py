"""The gateway, before all endpoints: from a client's request to a container's answer and back.

Runs in a process of its own, which outlives the daemon; the daemon writes the table of what it may send
where. May import the root.
"""
