"""The metrics of a job: its MetricDefinitions applied to the output, its objective, its plot.

Runs in the `train` command, and in one process of it that reads the output. May import the toolkit and `log`.
"""
