"""The counts of the gateway as Prometheus's text, of all requests since it began."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mlberth_local.gateway.proxy.tallies import Latencies, Tally, Window, upper_bound

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = range(48, 193, 8)
"""Steps of latencies: three for a tenfold range, from 0.1 ms to 100 s."""
_COUNTERS: dict[str, tuple[str, Callable[[Tally], float]]] = {
    "invocations": ("Requests to a variant", lambda tally: tally.requests),
    "invocation_4xx_errors": ("Requests that the model answered with 4xx", lambda tally: tally.errors_4xx),
    "invocation_5xx_errors": ("Requests that the model answered with 5xx", lambda tally: tally.errors_5xx),
    "invocation_model_errors": (
        "Requests without a successful response of the model",
        lambda tally: tally.model_errors,
    ),
}
_HISTOGRAMS: dict[str, tuple[str, Callable[[Tally], Latencies]]] = {
    "model_latency_seconds": ("How long the containers took", lambda tally: tally.model),
    "overhead_latency_seconds": ("How long a request took beside that", lambda tally: tally.overhead),
}


def text(totals: Window, outstanding: dict[tuple[str, str], int]) -> str:
    """Return the text; `outstanding` has the requests in flight by endpoint and variant."""
    lines: list[str] = []
    for name, (meaning, value) in _COUNTERS.items():
        lines += [f"# HELP mlberth_{name}_total {meaning}.", f"# TYPE mlberth_{name}_total counter"]
        lines += [f"mlberth_{name}_total{{{_labels(*key)}}} {value(one)}" for key, one in totals.items()]
    for name, (meaning, latencies) in _HISTOGRAMS.items():
        lines += [f"# HELP mlberth_{name} {meaning}.", f"# TYPE mlberth_{name} histogram"]
        for key, one in totals.items():
            lines += _histogram(f"mlberth_{name}", _labels(*key), latencies(one))
    lines += [
        "# HELP mlberth_invocations_in_flight Requests that a variant's instances have.",
        "# TYPE mlberth_invocations_in_flight gauge",
        *(f"mlberth_invocations_in_flight{{{_labels(*key)}}} {one}" for key, one in outstanding.items()),
    ]
    return "\n".join(lines) + "\n"


def _labels(endpoint: str, variant: str, config: str = "") -> str:
    shown = f',config="{config}"' if config else ""
    return f'endpoint="{endpoint}",variant="{variant}"{shown}'


def _histogram(name: str, labels: str, latencies: Latencies) -> Iterator[str]:
    steps: list[tuple[int, Any]] = sorted(latencies.steps.items())
    for bound in _BOUNDS:
        count = sum(found[0] for step, found in steps if step <= bound)
        yield f'{name}_bucket{{{labels},le="{upper_bound(bound):.6g}"}} {count:g}'
    count = sum(found[0] for _, found in steps)
    yield f'{name}_bucket{{{labels},le="+Inf"}} {count:.0f}'
    yield f"{name}_sum{{{labels}}} {sum(found[1] for _, found in steps) / 1e6:.9g}"
    yield f"{name}_count{{{labels}}} {count:.0f}"
