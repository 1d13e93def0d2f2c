"""The arguments that every command answers alike: `--help` and `--version`."""

from __future__ import annotations

from collections.abc import Sequence

from mlberth import __version__

HELP = ("-h", "--help")
VERSION = ("-V", "--version")
USAGE_ERROR = 2
"""The exit code for arguments that a command does not take."""


def answer(arguments: Sequence[str], usage: str) -> bool:
    """Print the usage or the version if one of the arguments asks for it; returns whether one did."""
    if any(argument in HELP for argument in arguments):
        print(usage.rstrip("\n"))  # noqa: T201 - for a command
        return True
    if any(argument in VERSION for argument in arguments):
        print(f"mlberth {__version__}")  # noqa: T201
        return True
    return False
