"""What a handler is given and may return: context, response, metrics, batches, placement.

Runs in the workers. May import `codecs`, `shared`, `usercode` and the root.
"""
