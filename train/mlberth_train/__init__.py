"""The `train` and `process` commands: read the job, install, launch the user's program, report."""
