"""Errors of programs, and those that a handler raises."""

from __future__ import annotations

from mlberth.compat.training.errors import CalledProcessError as _CalledProcessError
from mlberth.compat.training.errors import ChannelDoesNotExistError as ChannelDoesNotExistException
from mlberth.compat.training.errors import (
    ClientError,
    ExecuteUserScriptError,
    ImportModuleError,
    InstallModuleError,
    UnsupportedFormatError,
)

__all__ = [
    "ChannelDoesNotExistException",
    "ClientError",
    "ExecuteUserScriptError",
    "ImportModuleError",
    "InstallModuleError",
    "UnsupportedFormatError",
    "_CalledProcessError",
]
