"""The context of a request."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from mlberth_serve.handler.context import Context
from mlberth_serve.handler.placement import Placement

ENVIRON = {
    "HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID": "abc",
    "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES": "a=1",
    "CONTENT_TYPE": "text/csv",
    "PATH_INFO": "/invocations",
}


def test_headers_are_found_in_any_case() -> None:
    """Headers are a mapping without regard to case, and hold nothing else of the environment."""
    headers = Context(ENVIRON).headers
    assert headers["x-amzn-sagemaker-inference-id"] == headers["X-Amzn-SageMaker-Inference-Id"] == "abc"
    assert dict(headers) == {
        "X-Amzn-SageMaker-Inference-Id": "abc",
        "X-Amzn-SageMaker-Custom-Attributes": "a=1",
        "Content-Type": "text/csv",
    }
    assert "Path-Info" not in headers
    assert len(headers) == 3


def test_custom_attributes_are_read_and_not_echoed() -> None:
    """The request's attributes are read; the answer has some only when they are set."""
    context = Context(ENVIRON)
    assert context.custom_attributes == "a=1"
    assert list(context.response_headers) == []
    context.set_custom_attributes("b=2")
    assert context.response_headers == [("X-Amzn-SageMaker-Custom-Attributes", "b=2")]


def test_a_load_has_no_headers() -> None:
    """While the model is loaded there is no request to read."""
    assert dict(Context().headers) == {}
    assert Context().custom_attributes == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-Evil: 1"),
        ("X-A", "1\n"),
        ("X-A", "\x00"),
        ("X-A", "é"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("Content-Length", "1"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
    ],
)
def test_headers_that_would_break_the_answer_are_refused(name: str, value: str) -> None:
    """A handler cannot split the answer or lie about its framing."""
    with pytest.raises(ValueError, match="header"):
        Context().set_response_header(name, value)


def test_custom_attributes_have_a_length() -> None:
    """The platform's limit of 1024 characters holds."""
    Context().set_custom_attributes("a" * 1024)
    with pytest.raises(ValueError, match="1024"):
        Context().set_custom_attributes("a" * 1025)


@pytest.mark.parametrize("status", [100, 199, 600, "200", 200.0])
def test_status_is_checked(status: int) -> None:
    """Only a whole number from 200 to 599 is a status."""
    with pytest.raises(ValueError, match="status"):
        Context().set_response_status(status)


def test_request_is_named_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The context says whose request it is, where it runs and how long it may take."""
    now = [100.0]
    environ = ENVIRON | {"HTTP_X_AMZN_SAGEMAKER_TARGET_MODEL": "m.tar.gz"}
    monkeypatch.setattr("mlberth_serve.handler.context.time", SimpleNamespace(monotonic=lambda: now[0]))
    context = Context(environ, placement=Placement(3, "cuda:1"), deadline=160)
    assert (context.inference_id, context.target_model) == ("abc", "m.tar.gz")
    assert (context.worker, context.device) == (3, "cuda:1")
    assert context.seconds_left == 60
    now[0] = 161
    assert context.seconds_left == 0
    assert (Context().inference_id, Context().seconds_left) == ("", math.inf)


def test_logger_names_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """A handler's line in the log can be found by the request's id."""
    Context(ENVIRON, "r-1").logger.warning("%s rows", 3)
    Context().logger.warning("loading")
    assert caplog.messages == ["request r-1: 3 rows", "loading"]
