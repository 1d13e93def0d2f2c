"""The reports on a job that ended: its cause, its traceback, and the files that the platform reads.

Runs in the commands after the program has ended. May import the toolkit and `log`.
"""
