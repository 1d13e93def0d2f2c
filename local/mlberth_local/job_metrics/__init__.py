"""The metrics of jobs: those that their programs print, and how much of the machine they use."""
