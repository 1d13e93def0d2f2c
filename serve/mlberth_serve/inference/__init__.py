"""From a request's body to a response's: the handler loaded, and decode, predict, encode.

Runs in the workers; the handler is loaded in the arbiter if it can be forked. May import `handler`, `codecs`,
`frameworks`, `profiles` and what those may.
"""
