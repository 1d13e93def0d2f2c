"""The arguments of a handler and what it may return: context, response, metrics, batches, placement.

Runs in the workers. May import `codecs`, `shared`, `usercode` and the root.
"""
