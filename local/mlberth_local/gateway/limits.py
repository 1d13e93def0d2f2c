"""The times for which the gateway waits for others, and gathers counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Times in seconds."""

    model_seconds: float = 60.0
    """For the containers to answer. Source: the platform's container contract."""
    daemon_seconds: float = 30.0
    """For a daemon to come, while there is none, and somebody asks for something that is its business."""
    window_seconds: float = 5.0
    """For requests to be gathered before they are reported; it divides the periods of metrics."""
