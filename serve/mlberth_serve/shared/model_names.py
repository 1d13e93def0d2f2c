"""The names that models of one server may have: a file of that name leads nginx to a model's socket."""

from __future__ import annotations

MAX_NAME = 96
"""In characters: with it, the path of the socket is as long as the kernel allows."""
NAME = rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}"
"""As a regular expression, for Python and for nginx."""
