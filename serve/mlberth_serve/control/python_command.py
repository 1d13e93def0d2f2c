"""A process of our own Python, started so that the folder it is started in changes nothing."""

from __future__ import annotations

import sys

# The current folder is taken off the path: a user's `json.py` there would be imported in place of
# Python's. (`python -P` does the same from 3.11 on.)
_BOOT = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from {module} import {function}; sys.exit({function}(sys.argv[1:]))"
)


def python_command(module: str, function: str, *arguments: str) -> list[str]:
    """Return the command that exits with what `module.function(arguments)` returns."""
    return [sys.executable, "-c", _BOOT.format(module=module, function=function), *arguments]
