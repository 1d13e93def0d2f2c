"""The table of a recommendations job: each configuration that was tested, and the cheapest of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlberth_local.recommendations.prices import FILE

_HEAD = (
    "CONFIGURATION",
    "{percentile} MS",
    "PER MINUTE",
    "PER HOUR",
    "PER MILLION",
    "CPU %",
    "MEMORY %",
    "RESULT",
)
_MILLION = 1_000_000


def lines(job: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines for a job's description and its steps."""
    percentile, bound = _threshold(job)
    best = [one["EndpointConfiguration"]["EndpointName"] for one in job.get("InferenceRecommendations") or []]
    rows = [tuple(cell.format(percentile=percentile) for cell in _HEAD)]
    rows += [_row(step, best) for step in steps]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        first, *numbers, last = row
        cells = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells, last]).rstrip()
    if best:
        yield ""
        yield from _choice(job["InferenceRecommendations"][0], len(best), percentile, bound)


def _threshold(job: Mapping[str, Any]) -> tuple[str, int | None]:
    [found] = (job.get("StoppingConditions") or {}).get("ModelLatencyThresholds") or [{}]
    return found.get("Percentile", "P95"), found.get("ValueInMilliseconds")


def _row(step: Mapping[str, Any], best: Sequence[str]) -> tuple[str, ...]:
    found = step["InferenceBenchmark"]
    name, metrics = found["EndpointConfiguration"]["EndpointName"], found.get("Metrics") or {}
    if name in best:
        result = "holds" if name != best[0] else "cheapest"
    elif step["Status"] == "COMPLETED":
        result = "does not hold"
    else:
        result = ": ".join(filter(None, [step["Status"].lower(), _first_line(found.get("FailureReason"))]))
    cost = metrics.get("CostPerInference")
    return (
        _configuration(found),
        _number(metrics.get("ModelLatency"), 0),
        _number(metrics.get("MaxInvocations"), 0),
        _number(metrics.get("CostPerHour"), 3),
        _number(None if cost is None else cost * _MILLION, 3),
        _number(metrics.get("CpuUtilization"), 0),
        _number(metrics.get("MemoryUtilization"), 1),
        result,
    )


def _configuration(found: Mapping[str, Any]) -> str:
    endpoint = found["EndpointConfiguration"]
    serverless = endpoint.get("ServerlessConfig")
    size = f"serverless {serverless['MemorySizeInMB']} MB" if serverless else endpoint["InstanceType"]
    environment = found["ModelConfiguration"].get("EnvironmentParameters") or []
    return " ".join([size, *(f"{one['Key']}={one['Value']}" for one in environment)])


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0][:200]


def _choice(found: Mapping[str, Any], count: int, percentile: str, bound: int | None) -> Iterator[str]:
    metrics = found["Metrics"]
    cost = _number(metrics["CostPerInference"] * _MILLION, 3)
    yield f"Cheapest: {_configuration(found)}"
    yield (
        f"A million requests cost {cost} if there are always as many as it answers, "
        f"{metrics['MaxInvocations']} a minute at a {percentile} of {metrics['ModelLatency']} ms."
    )
    s = "s" if count == 1 else ""
    holds = f"hold{s} {percentile} at {bound} ms" if bound else f"answer{s} every request"
    if count == 1:
        yield f"It is the only configuration that {holds}. Prices: {FILE} of the home."
    else:
        yield f"Of {count} configurations that {holds}, its requests cost least. Prices: {FILE} of the home."
