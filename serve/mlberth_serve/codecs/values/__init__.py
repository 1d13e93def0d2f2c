"""Values that a handler returned, as the codecs can write them: arrays, simple values, cells, text.

Runs in the workers; may import `codecs.base` and what that may.
"""
