"""HTTP/1.1 on one connection: requests read, responses written, and what needs no model answered.

Runs in the workers. May import the rooms to the left of `worker`.
"""
