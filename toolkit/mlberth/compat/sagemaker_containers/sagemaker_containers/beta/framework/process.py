"""Processes of the user's program."""

from __future__ import annotations

from mlberth.compat.training.processes import check_error, python_executable

__all__ = ["check_error", "python_executable"]
