"""Limits that more than one process keeps."""

from __future__ import annotations

MAX_KEPT_CONNECTIONS = 32
"""How many keep-alive connections one worker may have: nginx keeps as many for each, and the arbiter's
bit mask of connections in work has a bit for each."""
