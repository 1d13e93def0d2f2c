"""Requests as they are counted and timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.serve.metric_samples import samples

from mlberth_serve.shared.metrics_memory import PAGE_BYTES
from mlberth_serve.shared.metrics_recorder import DECODE, Recorder
from mlberth_serve.worker.instrumentation import Instrumented, RequestCounters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def test_durations_fall_into_buckets() -> None:
    """A bucket holds what is at most its bound; what is above all of them is in the last."""
    memory = bytearray(PAGE_BYTES)
    requests = RequestCounters(Recorder(memory).cells)
    requests.observe((DECODE, seconds, 1) for seconds in (0.0, 0.0005, 0.0006, 61.0))
    found = samples(memory)
    assert found["mlberth_decode_seconds_bucket le=0.0005"] == 2
    assert found["mlberth_decode_seconds_bucket le=0.001"] == 3
    assert found["mlberth_decode_seconds_bucket le=60"] == 3
    assert found["mlberth_decode_seconds_bucket le=+Inf"] == found["mlberth_decode_seconds_count"] == 4
    assert found["mlberth_decode_seconds_sum"] == pytest.approx(61.0011)


@pytest.mark.parametrize("path", ["/nothing", "/invocations/../x", "\x00", ""])
def test_no_path_becomes_a_label(path: str) -> None:
    """What a client asks for that we do not have is `other`."""
    memory = bytearray(PAGE_BYTES)
    RequestCounters(Recorder(memory).cells).end_request(path, "404 Not Found", 0.1)
    assert samples(memory)["mlberth_requests_total route=other status=4xx"] == 1


@pytest.mark.parametrize(
    ("began", "observed"),
    [
        ("t=99.5", [0.5]),
        ("t=101", [0.0]),
        ("t=inf", [0.0]),
        ("t=-inf", []),
        ("t=-1e308", []),
        ("t=nan", []),
        ("t=" + "9" * 5000, [0.0]),
        ("t=x", []),
        ("", []),
    ],
)
def test_time_in_the_queue_is_a_time(began: str, observed: list[float]) -> None:
    """Behind a nginx.conf of the user's, what says when a request came may be the client's."""
    memory = bytearray(PAGE_BYTES)
    application = Instrumented(answer, Recorder(memory), behind_nginx=True, wall_clock=lambda: 100.0)
    application({"PATH_INFO": "/invocations", "HTTP_X_REQUEST_START": began}, lambda *_: lambda _: None)
    found = samples(memory)
    assert found["mlberth_queue_seconds_count"] == len(observed)
    assert found["mlberth_queue_seconds_sum"] == sum(observed)


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer nothing."""
    start_response("200 OK", [])
    return []
