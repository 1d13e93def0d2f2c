"""The kinds of job, from what the platform says to an exit code: training, processing, validation.

Runs in the `train` and `process` commands. May import the other rooms here, and the toolkit.
"""
