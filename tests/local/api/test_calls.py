"""Tests of how an operation is called: refusals, and tokens of repeated requests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlberth_local.api import registry
from mlberth_local.api.calls import call
from mlberth_local.api.routing import Route
from mlberth_local.errors import ServiceError
from mlberth_local.operations import Exceptions
from mlberth_local.platform import Platform, Settings

PIPELINE = Route("sagemaker", "CreatePipeline", "json")
"""Its model has a ClientRequestToken."""


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Return a platform with a home."""
    return Platform(tmp_path, Settings())


class Counted:
    """An operation that counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, _: Platform, request: dict[str, Any]) -> dict[str, Any]:
        """Return the number of the call."""
        with self._lock:
            self.calls += 1
        if request.get("fails"):
            raise ServiceError("Once", "it failed")
        return {"PipelineArn": f"arn-{self.calls}"}


def test_a_token_makes_a_repeated_request_one(platform: Platform) -> None:
    """Also if both come at once, and if the daemon has been started again in between."""
    create, request = Counted(), {"PipelineName": "p", "ClientRequestToken": "t" * 32}
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: call(platform, PIPELINE, create, request), range(16)))
    assert answers == [{"PipelineArn": "arn-1"}] * 16
    later = Platform(platform.home, Settings())
    assert call(later, PIPELINE, create, request) == {"PipelineArn": "arn-1"}
    assert create.calls == 1
    with pytest.raises(ServiceError, match="with other parameters"):
        call(platform, PIPELINE, create, {**request, "PipelineName": "q"})
    other = {**request, "ClientRequestToken": "u" * 32}
    assert call(platform, PIPELINE, create, other) == {"PipelineArn": "arn-2"}


def test_a_request_that_failed_can_be_sent_again(platform: Platform) -> None:
    create, token = Counted(), {"ClientRequestToken": "t" * 32}
    for _ in range(2):
        with pytest.raises(ServiceError, match="it failed"):
            call(platform, PIPELINE, create, {**token, "fails": True})
    assert create.calls == 2


def test_refused_parameters_are_named_with_the_reason(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"CreatePipeline": Exceptions(refused={"A": "there is no A", "List.B": "there is no B"})}
    monkeypatch.setitem(registry.EXCEPTIONS, "sagemaker", table)
    create = Counted()
    with pytest.raises(ServiceError) as caught:
        call(platform, PIPELINE, create, {"A": 1, "List": [{}, {"B": False}]})
    assert caught.value.code == "ValidationException"
    assert caught.value.message == (
        "A is not supported here: there is no A. List.B is not supported here: there is no B."
    )
    assert create.calls == 0
    assert call(platform, PIPELINE, create, {"A": None, "List": [{}]})
