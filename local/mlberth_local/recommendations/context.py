"""The parts of the platform that recommendation jobs need, and the times of a load test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlberth_local.endpoints.endpoints import Endpoints

VARIABLE = "MLBERTH_LOAD_TEST_SECONDS"
_LEAST, _MOST = 0.1, 3600.0


@dataclass(frozen=True)
class Times:
    """How long the parts of a load test take if the request does not say it, in seconds: short ones."""

    stage: float = 2.0
    job: int = 7200


@dataclass(frozen=True)
class RecommendationContext:
    """What every recommendation job works with."""

    endpoints: Endpoints
    arn: Callable[[str, str], str]
    """Returns the ARN of a service's resource."""
    environ: Mapping[str, str]
    """That of the load generators."""
    times: Times = Times()


def read_times(environ: Mapping[str, str]) -> Times:
    """Return the times that the variables say. Raises ValueError that names the variable."""
    text = environ.get(VARIABLE, "").strip()
    try:
        found = float(text) if text else Times.stage
    except ValueError:
        found = 0.0
    if not _LEAST <= found <= _MOST:
        raise ValueError(f"{VARIABLE} is {text!r}; expected seconds, {_LEAST:g} to {_MOST:g}")
    return Times(stage=found)
