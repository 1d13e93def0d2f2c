"""`application/x-parquet`: the codec, and what is checked in a file before pyarrow reads it.

Runs in the workers. May import `codecs.base` and what that may.
"""
