"""Streamed responses on their way to their clients.

They run in a worker: in its one thread, in a thread for each concurrent generator, or in the event loop's.
This room may import what the worker may.
"""
