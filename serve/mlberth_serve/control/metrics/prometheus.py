"""The page of GET /metrics: what all workers counted, added up, in Prometheus' text form.

Every label is one of a few words of ours; the handler's own labels are bounded by the room in a page.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from operator import add

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from mlberth import __version__
from mlberth_serve.control.metrics.handler_families import handler_families
from mlberth_serve.control.metrics.process_memory import Memory
from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import (
    BUCKETS,
    CLASSES,
    DURATIONS,
    ROUTES,
    SIZES,
    STREAM_ENDS,
    STREAMS_ENDED,
    Histogram,
    WorkerMetrics,
)

_DURATIONS = {
    "request": "Predictions, from a worker's first look at the request to its whole answer.",
    "queue": "Predictions, from the front's whole request to a worker's first look at it.",
    "decode": "input_fn, or the codec in its place.",
    "predict": "predict_fn or transform_fn.",
    "encode": "output_fn, or the codec in its place.",
    "first_chunk": "Streams, from a worker's first look at the request to the first piece of its answer.",
}


@dataclass(frozen=True)
class ModelNumbers:
    """Of a server of several models."""

    pages: Mapping[str, Sequence[WorkerMetrics]]
    """The pages of the workers of each model that has series of its own, by its name."""
    loaded: int
    counts: Mapping[str, int]
    """How many loads and unloads have ended, by what came of them."""


@dataclass(frozen=True)
class Server:
    """What the supervisor knows that no worker counts."""

    started: float
    """Seconds since the epoch."""
    workers: int
    """How many there are to be."""
    loaded: int
    """How many have loaded the model."""
    front: Mapping[int, int] = field(default_factory=dict)
    """How many requests nginx answered without a worker, by status."""
    lines_dropped: int = 0
    """How many lines of a log the supervisor could not write."""
    waiting: int | None = None
    """How many requests wait for a worker; None if the kernel does not tell."""
    memory: Mapping[int, Memory] = field(default_factory=dict)
    """What each living worker uses, by its process id."""
    models: ModelNumbers | None = None


def render(pages: Sequence[WorkerMetrics], server: Server) -> str:
    """Return the text of every metric."""
    return generate_latest(
        _Families([*_server(pages, server), *_requests(pages), *_models(server), *handler_families(pages)])
    ).decode()


@dataclass(frozen=True)
class _Families:
    families: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        """Return what prometheus_client writes."""
        return self.families


def _server(pages: Sequence[WorkerMetrics], server: Server) -> Iterator[Metric]:
    build = GaugeMetricFamily("mlberth_build_info", "Always 1.", labels=("version", "python"))
    build.add_metric((__version__, platform.python_version()), 1)
    yield build
    yield GaugeMetricFamily("mlberth_start_time_seconds", "When the server was started.", server.started)
    yield GaugeMetricFamily("mlberth_workers", "Workers that have loaded the model.", server.loaded)
    starts = _sum(pages, metrics_memory.STARTS)
    text = "Workers started beyond the first ones."
    yield CounterMetricFamily("mlberth_worker_restarts", text, max(0, starts - server.workers))
    slowest = max((page.number(metrics_memory.LOAD_SECONDS) for page in pages), default=0)
    yield GaugeMetricFamily("mlberth_model_load_seconds", "How long the model took to load.", slowest)
    resident = GaugeMetricFamily("mlberth_worker_resident_bytes", "RSS of a worker.", labels=("worker",))
    proportional = GaugeMetricFamily(
        "mlberth_worker_proportional_bytes",
        "PSS of a worker: what it shares is divided among the sharers.",
        labels=("worker",),
    )
    for number, page in enumerate([] if server.models else pages):
        memory = server.memory.get(int(page.number(metrics_memory.PID)))
        if memory:
            resident.add_metric((str(number),), memory.resident)
            if memory.proportional is not None:
                proportional.add_metric((str(number),), memory.proportional)
    yield from (resident, proportional)
    text = "Answers without a worker's: refused, too late, or of a worker that died."
    front = CounterMetricFamily("mlberth_nginx_responses", text, labels=("status",))
    for status, count in sorted(server.front.items()):
        front.add_metric((str(status),), count)
    yield front
    text = "Lines of logs, and pieces of a handler's output, that could not be written."
    lines_dropped = server.lines_dropped + _sum(pages, metrics_memory.LINES_DROPPED)
    yield CounterMetricFamily("mlberth_log_lines_dropped", text, lines_dropped)
    captured = _sum(pages, metrics_memory.CAPTURED)
    capture_dropped = _sum(pages, metrics_memory.CAPTURE_DROPPED)
    if captured or capture_dropped:
        yield CounterMetricFamily("mlberth_captured_requests", "Requests that were captured.", captured)
        text = "Requests that should have been captured: no room, or too many at once."
        yield CounterMetricFamily("mlberth_captures_dropped", text, capture_dropped)
    living = [page for page in pages if page.number(metrics_memory.PID) in server.memory]
    streams = _sum(living, metrics_memory.STREAMS)
    busy = _sum(living, metrics_memory.BUSY) + streams
    yield GaugeMetricFamily("mlberth_requests_in_flight", "Requests that workers are working on.", busy)
    yield GaugeMetricFamily("mlberth_streams_in_flight", "Streamed answers that are being sent.", streams)
    if server.waiting is not None:
        text = "Requests that no worker has begun: the signal to start further servers."
        yield GaugeMetricFamily("mlberth_requests_waiting", text, server.waiting)


def _models(server: Server) -> Iterator[Metric]:
    """Yield what is known of each model, for as many as have series of their own."""
    models = server.models
    if models is None:
        return
    yield GaugeMetricFamily("mlberth_models", "Models that are loaded.", models.loaded)
    ends = CounterMetricFamily(
        "mlberth_model_operations", "Loads and unloads that have ended.", labels=("result",)
    )
    for result in ("loaded", "failed", "refused", "unloaded", "restarted", "reloaded"):
        ends.add_metric((result,), models.counts.get(result, 0))
    requests = CounterMetricFamily(
        "mlberth_model_requests",
        "Predictions that a model's workers have answered.",
        labels=("model", "status"),
    )
    text = "Predictions of a model, from a worker's first look at the request to its whole answer."
    seconds = SummaryMetricFamily("mlberth_model_request_seconds", text, labels=("model",))
    text = "RSS of a model's workers; what it shares with other models counts too."
    resident = GaugeMetricFamily("mlberth_model_resident_bytes", text, labels=("model",))
    invocations, duration = ROUTES.index("/invocations"), DURATIONS.index("request")
    for name, pages in models.pages.items():
        for status, status_class in enumerate(CLASSES):
            if count := sum(page.requests(invocations, status) for page in pages):
                requests.add_metric((name, status_class), count)
        if pages:
            total = _add(page.histogram(duration) for page in pages)
            seconds.add_metric((name,), count_value=int(sum(total.counts)), sum_value=total.total)
        known = (server.memory.get(int(page.number(metrics_memory.PID))) for page in pages)
        resident.add_metric((name,), sum(memory.resident for memory in known if memory))
    yield from (ends, requests, seconds, resident)


def _requests(pages: Sequence[WorkerMetrics]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "mlberth_requests", "Requests that workers have answered.", labels=("route", "status")
    )
    for route, path in enumerate(ROUTES):
        for status, name in enumerate(CLASSES):
            requests.add_metric((path, name), sum(page.requests(route, status) for page in pages))
    yield requests
    streams = CounterMetricFamily(
        "mlberth_streams", "Streamed answers, by how they have ended.", labels=("end",)
    )
    for number, name in enumerate(STREAM_ENDS):
        streams.add_metric((name,), _sum(pages, STREAMS_ENDED + number))
    yield streams
    cut_off = _sum(pages, metrics_memory.CUT_OFF)
    yield CounterMetricFamily("mlberth_requests_cut_off", "Requests whose worker died.", cut_off)
    if not pages:
        return
    for number, name in enumerate(DURATIONS):
        total = _add(page.histogram(number) for page in pages)
        yield _family(f"mlberth_{name}_seconds", _DURATIONS[name], BUCKETS, total)
    text = "Requests that were predicted in one call, if several may be."
    yield _family("mlberth_batch_size", text, SIZES, _add(page.batches() for page in pages))


def _add(histograms: Iterable[Histogram]) -> Histogram:
    return reduce(add, histograms)


def _family(name: str, text: str, bounds: Iterable[float], total: Histogram) -> Metric:
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    buckets = list(zip(names, accumulate(total.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total.total)


def _sum(pages: Sequence[WorkerMetrics], cell: int) -> float:
    return sum(page.number(cell) for page in pages)
