"""The start of the user's program: which file, arguments, hosts, environment and launcher.

Runs in the commands, and `module_hook` in the child. May import the toolkit, `launchers`, `ranks`, `log`,
`settings` and `variables`.
"""
