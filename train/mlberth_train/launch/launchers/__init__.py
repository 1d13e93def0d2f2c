"""The launchers: pure functions that say what a host runs for each, and with which variables.

Runs in the commands. May import the toolkit, `ranks` and `variables`.
"""
