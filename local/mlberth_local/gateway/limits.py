"""The limits of the gateway: how long it waits for others, and how much it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IDLE_VARIABLE = "MLBERTH_SERVERLESS_IDLE_SECONDS"
PING_VARIABLE = "MLBERTH_PING_SECONDS"
MODELS_DISK_VARIABLE = "MLBERTH_MULTI_MODEL_DISK_MB"
_LONGEST = 86_400.0


@dataclass(frozen=True)
class Limits:
    """Times in seconds, and sizes."""

    model_seconds: float = 60.0
    """For the containers to answer. Source: the platform's container contract."""
    daemon_seconds: float = 30.0
    """For a daemon to come, while there is none, and somebody asks for something that is its business."""
    idle_seconds: float = 300.0
    """For a request to a serverless variant to come, before its instance is given up."""
    wake_seconds: float = 60.0
    """For an instance of a serverless variant to be ready for the request that it was started for."""
    window_seconds: float = 5.0
    """For requests to be gathered before they are reported; it divides the periods of metrics."""
    ping_seconds: float = 5.0
    """Between two health checks of an instance. Source: the platform's container contract."""
    load_seconds: float = 60.0
    """For a model of a multi-model endpoint to be loaded, before its request is answered that it is not."""
    load_limit_seconds: float = 360.0
    """For a load to end, whoever still waits for it, and for an unload. Source: multi-model endpoints."""
    models_bytes: int = 0
    """What the models' files may take on the disk of one instance; 0 if there is no limit."""


def idle_seconds(environ: Mapping[str, str]) -> float:
    """Return how long a serverless variant keeps its instance without a request. Raises ValueError."""
    return _seconds(environ, IDLE_VARIABLE, Limits.idle_seconds)


def ping_seconds(environ: Mapping[str, str]) -> float:
    """Return how long it is from one health check of an instance to the next. Raises ValueError."""
    return _seconds(environ, PING_VARIABLE, Limits.ping_seconds)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    try:
        found = float(text) if text else default
    except ValueError:
        found = 0.0
    if not 0 < found <= _LONGEST:
        raise ValueError(f"{name} is {text!r}; expected seconds, more than 0, at most {_LONGEST:.0f}")
    return found


def models_bytes(environ: Mapping[str, str]) -> int:
    """Return what the files of models may take on the disk of one instance; 0 for any. Raises ValueError."""
    text = environ.get(MODELS_DISK_VARIABLE, "").strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**9):
        raise ValueError(f"{MODELS_DISK_VARIABLE} is {text!r}; expected megabytes, a whole number from 1 on")
    return int(text) * 1024 * 1024
