"""Limits that more than one process keeps."""

from __future__ import annotations

MAX_KEPT_CONNECTIONS = 32
"""How many keep-alive connections one worker may have: nginx keeps as many for each, and the arbiter's
bit mask of connections in work has a bit for each."""

MAX_HEADERS = 100
"""Of a request, and of a response, the server's own included: Python's `http.client` reads no more."""
MAX_HEADER_BYTES = 8190
"""Of one header, its name included: a buffer of nginx's for a request's headers, without the line's end."""
MAX_HEAD_BYTES = 32 * 1024
"""Of all headers together. nginx.conf has these limits as well: 4 buffers of 8 kB for a request, and for a
response one that also holds the server's own headers."""
