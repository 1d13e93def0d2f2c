"""The user's program, run by a framework's own training module."""

from __future__ import annotations

from mlberth.compat.training.hosts import wait_hostname_resolution as _wait_hostname_resolution
from mlberth.compat.training.processes import install, run

__all__ = ["_wait_hostname_resolution", "install", "run"]
