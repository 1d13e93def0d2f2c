"""The end of a job that cannot go on."""

from __future__ import annotations


class JobFailure(Exception):  # noqa: N818 - it is how a job ends, not an error of ours
    """The job has failed; the text is its FailureReason."""
