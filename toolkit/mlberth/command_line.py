"""The arguments that every command answers alike: `--help` and `--version`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mlberth import __version__

HELP = ("-h", "--help")
VERSION = ("-V", "--version")
USAGE_ERROR = 2
"""The exit code for arguments that a command does not take."""
_STDOUT = 1


def answer(arguments: Sequence[str], usage: str) -> bool:
    """Print the usage or the version if one of the arguments asks for it; returns whether one did."""
    if any(argument in HELP for argument in arguments):
        show(usage.rstrip("\n"))
        return True
    if any(argument in VERSION for argument in arguments):
        show(f"mlberth {__version__}")
        return True
    return False


def show(text: str) -> None:
    """Print a text of a command; a reader that has read enough is no error."""
    try:
        print(text, flush=True)  # noqa: T201 - for a command
    except BrokenPipeError:  # `| head` has read enough; the interpreter would try again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
