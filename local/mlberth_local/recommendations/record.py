"""The record of an inference recommendations job: its benchmarks, and what they have measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from mlberth_local.store.resources import Resource, Resources

KIND = "inference-recommendations-job"
LOG_GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
LOG_STREAM = "execution"
"""Of a job, below its name. The SDK's `right_size` prints it."""
VARIANT = "AllTraffic"
"""The name of the one variant of a benchmark's endpoint."""
PENDING, IN_PROGRESS, STOPPING = "PENDING", "IN_PROGRESS", "STOPPING"
COMPLETED, FAILED, STOPPED = "COMPLETED", "FAILED", "STOPPED"


@dataclass(frozen=True)
class Result:
    """What a benchmark has measured, at the load that counts."""

    per_minute: int
    """Answered requests."""
    latency: float
    """Of the percentile that counts, in milliseconds."""
    users: int
    """Requests at a time."""
    mean: float
    """Of the latencies, in milliseconds."""
    meets: bool
    """Whether the latency is within the threshold, if there is one, and no request has failed."""
    cpu: float | None = None
    """In percent of one CPU, so that it may be more than 100."""
    memory: float | None = None
    """In percent of the instance's."""
    setup: int | None = None
    """From the start of a serverless instance until it answers, in milliseconds."""


@dataclass
class Benchmark:
    """One configuration, and what has become of its load test. Times are epoch seconds."""

    endpoint: str
    """The name of the endpoint that it is tested on."""
    price: float
    """Of an hour; of a second and GB if it is serverless."""
    instance_type: str = ""
    serverless: dict[str, Any] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    """Beside the model's own."""
    status: str = PENDING
    reason: str = ""
    """Why it has failed."""
    began: float | None = None
    """When the first request was sent."""
    ended: float | None = None
    result: Result | None = None

    @property
    def size(self) -> str:
        """The instance type, or the memory of a serverless one."""
        if self.serverless:
            return f"serverless {self.serverless['MemorySizeInMB']} MB"
        return self.instance_type

    @property
    def cost_per_inference(self) -> float | None:
        """What one request costs if there are always as many as it can answer; None if it answered none."""
        if not self.result or not self.result.per_minute:
            return None
        if self.serverless:
            gigabytes: float = self.serverless["MemorySizeInMB"] / 1024
            return self.price * gigabytes * self.result.mean / 1000
        return self.price / 60 / self.result.per_minute

    @property
    def cost_per_hour(self) -> float:
        """What an hour costs; of a serverless instance, an hour with as many requests as it can answer."""
        if self.serverless:
            return (self.cost_per_inference or 0.0) * (self.result.per_minute if self.result else 0) * 60
        return self.price

    def __str__(self) -> str:
        return " ".join([self.size, *(f"{name}={value}" for name, value in self.environment.items())])


def benchmarks_of(job: Resource) -> list[Benchmark]:
    """Return the benchmarks of a job's row."""
    return [
        Benchmark(**{**one, "result": Result(**one["result"]) if one["result"] else None})
        for one in job.state["benchmarks"]
    ]


def ranked(benchmarks: list[Benchmark]) -> list[Benchmark]:
    """Return those that may be recommended, the cheapest request first."""
    found = [
        one for one in benchmarks if one.result and one.result.meets and one.cost_per_inference is not None
    ]
    return sorted(
        found, key=lambda one: (one.cost_per_inference or 0.0, one.result.latency if one.result else 0.0)
    )


class RecommendationRecord:
    """The record of one job. What is committed here is what a later daemon finds."""

    def __init__(self, resources: Resources, name: str, clock: Callable[[], float]) -> None:
        self._resources = resources
        self._clock = clock
        self.name = name

    def read(self) -> Resource:
        """Return the job's row."""
        return self._resources.get(KIND, self.name)

    @contextmanager
    def changing(self) -> Iterator[tuple[Resource, list[Benchmark]]]:
        """Hand out the row and its benchmarks, and commit what the block has made of both."""
        with self._resources.changing(KIND, self.name) as job:
            benchmarks = benchmarks_of(job)
            yield job, benchmarks
            job.state["benchmarks"] = [asdict(one) for one in benchmarks]
            job.modified = self._clock()
