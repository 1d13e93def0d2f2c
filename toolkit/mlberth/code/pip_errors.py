"""Reasons of a failed install: the installer's own lines, and what helps in this container.

Source: what pip and uv print; a wording that is not known costs the hint alone.
"""

from __future__ import annotations

import os
from pathlib import Path

_LAST_LINES = 8
_LONGEST_LINE = 240
_IN_THE_IMAGE = "install the packages in the image (RUN pip install -r requirements.txt in its Dockerfile)"
_WITHOUT_INDEX = (
    f"If no index can be reached from here, {_IN_THE_IMAGE}, put their wheels into a folder `wheelhouse` "
    "beside requirements.txt, or name an index in PIP_INDEX_URL."
)
# The first whose words are in the output counts.
_HINTS = (
    (
        ("[Errno 30]", "Read-only file system"),
        f"This container's file system is read-only: {_IN_THE_IMAGE}.",
    ),
    (
        ("[Errno 13]", "Permission denied"),
        (
            f"User {{user}} may not change what is installed here: {_IN_THE_IMAGE}, or run as the owner of "
            "Python's folder."
        ),
    ),
    (
        ("[Errno 28]", "No space left"),
        f"The disk is full: give the container more, or {_IN_THE_IMAGE}.",
    ),
    (("(from versions: none)",), f"See that the name is right. {_WITHOUT_INDEX}"),
    (
        (
            "NewConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "ProxyError",
            "Failed to establish a new connection",
            "name resolution",
            "Name or service not known",
            "Network is unreachable",
            "Connection refused",
            "Max retries exceeded",
            "Could not fetch URL",
            "error sending request",
            "dns error",
        ),
        _WITHOUT_INDEX,
    ),
    (
        ("subprocess-exited-with-error", "metadata-generation-failed"),
        f"The log above has the build's own words; if it needs a compiler or headers, {_IN_THE_IMAGE}.",
    ),
)


def reason(output: str) -> str:
    """Return the lines in which an installer says why it failed, in one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    chosen = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=False)
        if _tells(line) or following == "[end of output]"  # before that: a build's last word
    ]
    shown = dict.fromkeys((chosen or lines)[-_LAST_LINES:])
    return " / ".join(map(_shortened, shown)) or "it said nothing"


def hint(output: str, constraints: Path | None, variable: str) -> str:
    """Return what helps; `variable` names the file of constraints, which is `constraints` here."""
    if "(constraint)" in output and constraints:
        return (
            f"The constraint is in {constraints}, which protects what is installed: change the requirement, "
            f"or set {variable} to another file, or to nothing for no constraints."
        )
    for words, helps in _HINTS:
        if any(word in output for word in words):
            return helps.format(user=os.geteuid())
    return "The log above has all that it said."


def _tells(line: str) -> bool:
    return (
        line.lower().startswith(("error:", "hint:"))
        or line.startswith(("The user requested ", "\N{MULTIPLICATION SIGN} "))
        or " depends on " in line
    )


def _shortened(line: str) -> str:
    """Return a line without its middle, which is a list of versions if it is long."""
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} … {line[-half:]}"
