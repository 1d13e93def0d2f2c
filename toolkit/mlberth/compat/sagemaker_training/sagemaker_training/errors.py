"""Errors of programs and of what they are given."""

from __future__ import annotations

from mlberth.compat.training.errors import CalledProcessError as _CalledProcessError
from mlberth.compat.training.errors import (
    ChannelDoesNotExistError,
    ClientError,
    ExecuteUserScriptError,
    ImportModuleError,
    InstallModuleError,
    InstallRequirementsError,
    SMTrainingCompilerConfigurationError,
    UnsupportedFormatError,
)

__all__ = [
    "ChannelDoesNotExistError",
    "ClientError",
    "ExecuteUserScriptError",
    "ImportModuleError",
    "InstallModuleError",
    "InstallRequirementsError",
    "SMTrainingCompilerConfigurationError",
    "UnsupportedFormatError",
    "_CalledProcessError",
]
