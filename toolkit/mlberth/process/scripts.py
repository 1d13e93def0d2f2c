"""Scripts, and what a kernel or a shell makes of them: their `#!` lines, and lines that end as on Windows."""

from __future__ import annotations

import os
from collections.abc import Sequence

SHELL = "/bin/sh"
ELF = b"\x7fELF"
WITHOUT_CR = "<the script without its carriage returns>"
"""What is shown in the place of a script's text."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_LONGEST_LINE = 4096
_START = 512
_LONGEST_SCRIPT = 100_000
"""Bytes; Linux gives no argument more than 128 KiB."""


def interpreter(file: str) -> list[str]:
    """Return the words of a `#!` line as the kernel reads them: a program and at most one argument."""
    with open(file, "rb") as opened:  # noqa: PTH123 - a start that needs no pathlib
        line = opened.readline(_LONGEST_LINE)
    return os.fsdecode(line[2:]).strip().split(maxsplit=1) if line.startswith(b"#!") else []


def script_arguments(file: str, name: str, words: Sequence[str], *, shown: bool = False) -> list[str]:
    """Return what an interpreter is given to run a script: its name, or its text without carriage returns."""
    shell = os.path.basename(words[0])  # noqa: PTH119 - as above
    if (words[-1] if shell == "env" else shell) not in _SHELLS:
        return [name]
    with open(file, "rb") as opened:  # noqa: PTH123 - as above
        text = opened.read(_LONGEST_SCRIPT)
    if b"\r\n" not in text.partition(b"\n")[2] or len(text) == _LONGEST_SCRIPT or b"\0" in text:
        return [name]
    return ["-c", WITHOUT_CR if shown else os.fsdecode(text.replace(b"\r\n", b"\n")), name]


def is_text(file: str) -> bool:
    """Return whether a file may be a script without a `#!` line, which a shell starts and no kernel does."""
    with open(file, "rb") as opened:  # noqa: PTH123 - as above
        start = opened.read(_START)
    return bool(start) and not start.startswith(ELF) and b"\0" not in start


def runnable(file: str) -> list[str] | None:
    """Return the words that run a script for which the kernel would look in vain; None for any other file.

    Such are a script without the right to execute, and one whose `#!` line ends as on Windows.
    """
    try:
        words = interpreter(file)
        if not words:
            return None
        with open(file, "rb") as opened:  # noqa: PTH123 - as above
            ends_as_on_windows = opened.readline(_LONGEST_LINE).endswith(b"\r\n")
        if os.access(file, os.X_OK) and not ends_as_on_windows:
            return None
        return [*words, *script_arguments(file, file, words)]
    except OSError:
        return None
