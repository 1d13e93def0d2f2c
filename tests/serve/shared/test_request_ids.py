"""Which trace a request belongs to."""

from __future__ import annotations

import pytest

from mlberth_serve.shared.request_ids import trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
REQUEST = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-ff",
        f"01-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-the-future-brings",
    ],
)
def test_valid_header_counts(header: str) -> None:
    """The client's trace goes on; a version that is not known yet may have more fields."""
    assert trace_id({"HTTP_TRACEPARENT": header}, REQUEST) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01\n",
        f"01-{TRACE}-{PARENT}-01.more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}-0x",
        f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
        f" 00-{TRACE}-{PARENT}-01",
        "9" * 65536,
    ],
)
def test_malformed_header_is_ignored(header: str) -> None:
    """A new trace begins, with the request's id, and nothing fails."""
    assert trace_id({"HTTP_TRACEPARENT": header}, REQUEST) == REQUEST


@pytest.mark.parametrize("request_id", ["", "mine", "0" * 32])
def test_new_trace_is_random_and_stays(request_id: str) -> None:
    """Where the request's id cannot be one, the trace has a random id, the same for the whole request."""
    environ: dict[str, object] = {}
    first = trace_id(environ, request_id)
    assert len(bytes.fromhex(first)) == 16
    assert trace_id(environ, request_id) == first
    assert trace_id({}, request_id) != first
