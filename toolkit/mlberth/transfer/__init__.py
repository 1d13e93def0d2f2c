"""Data, models and results on their way into and out of a container: `mlberth fetch` and `mlberth push`.

Runs in these two commands, which init containers, last steps and batch scripts start. Standard library, and
botocore (extra `aws`) inside functions; may import the root, `engines`, `contract`, `process`, `code` and
`channels`.
"""
