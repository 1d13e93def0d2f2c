"""Data capture: requests and answers, kept for a monitor in files of JSON lines.

Runs in the workers; a thread of each writes the files. May import the toolkit, `shared`, `handler` and
the root's own modules.
"""
