"""The job: `environment.Environment()`."""

from __future__ import annotations

from mlberth.compat.job import JobEnvironment as Environment

__all__ = ["Environment"]
