"""Operations: plain functions of a platform and a validated request, and which parameters they leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlberth_local.platform import Platform

Operation = Callable[[Platform, dict[str, Any]], dict[str, Any]]
"""Takes the request with the model's names, checked against the model; returns the answer likewise.

Timestamps are seconds since the epoch, blobs are bytes. Errors are raised as `ServiceError`.
"""
ONE_MACHINE, ONE_PAGE = "there is one machine, and no account", "all are in one page"
"""Reasons that several operations give."""


@dataclass(frozen=True)
class Exceptions:
    """Parameters that an operation does not carry out, by dotted path (`VpcConfig`, `Channels.Kms`).

    A refused parameter is answered with a ValidationException that says why; every other one of the model
    counts as carried out. The reference page of the API is made from this.
    """

    without_effect: Mapping[str, str] = field(default_factory=dict)
    """Path to the reason: accepted, kept and described, but nothing follows from it here."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Path to the reason."""
