"""The start of the user's program: which file, arguments, hosts, environment and launcher.

Runs in the commands; `module_hook` and `tf_server` in children. May import the toolkit, `ranks`, `log`,
`settings` and `variables`.
"""
