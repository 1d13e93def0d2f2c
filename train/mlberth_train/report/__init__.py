"""What is said of a job that ended: the cause, its traceback, and the files that the platform reads.

Runs in the commands after the program has ended. May import the toolkit and `log`.
"""
