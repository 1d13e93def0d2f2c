"""The start of the user's program: which file, which arguments, which hosts, which environment.

Runs in the commands, and `module_hook` in the child. May import the toolkit, `log` and `variables`.
"""
