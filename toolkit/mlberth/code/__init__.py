"""The user's code on its way in: sources fetched, archives unpacked, requirements installed.

Runs in the commands. Standard library, and botocore (extra `aws`) inside functions; may import the root,
`contract` and `process`.
"""
