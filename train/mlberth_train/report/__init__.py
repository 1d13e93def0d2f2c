"""The reports on a job that ended: its cause, its traceback, and the files that the platform reads.

Runs in the commands, in a process that the program cannot take along. May import the toolkit and `log`.
"""
