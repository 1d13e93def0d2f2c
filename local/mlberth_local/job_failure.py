"""The end of a job that cannot go on, and its FailureReason."""

from __future__ import annotations

from pathlib import Path

from mlberth_local import log_files

LONGEST_REASON = 1024
"""Of a FailureReason, in characters."""
_LAST_LINES = 10


class JobFailure(Exception):  # noqa: N818 - it is how a job ends, not an error of ours
    """The job has failed; the text is its FailureReason."""


def program_failure(text: str, exit_code: int | None) -> str:
    """Return the FailureReason for a program that has failed: its last word, cut so that the code stays."""
    end = f", exit code: {exit_code}"
    start = "AlgorithmError: "
    return f"{start}{text[: LONGEST_REASON - len(start) - len(end)]}{end}"


def read_failure(file: Path, log_file: Path, problem: str) -> str:
    """Return why a program has failed: what it has written into a file, or else the last lines of its log.

    `problem` is what the engine says of its end.
    """
    try:
        text = file.read_bytes().decode(errors="replace").strip()
    except OSError:
        text = ""
    if text:
        return text
    lines = [event.message for event in log_files.read_events(log_file)][-_LAST_LINES:]
    return "\n".join(filter(None, [problem, *lines])) or "no failure file and no output"
