"""The `train` and `process` commands: read the job, install, launch the user's program, report.

Run as the first process of a container, or below another. Standard library; may import the toolkit.
"""
