"""The record of an asynchronous request."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.asynchronous.inference import Inference, make

CONFIG = {"OutputConfig": {"S3OutputPath": "s3://out/a/", "S3FailurePath": "s3://out/failed"}}


@pytest.mark.parametrize(
    ("request_", "output"),
    [
        ({}, "s3://out/a/key.out"),
        ({"Filename": "answer.csv"}, "s3://out/a/answer.csv"),
        ({"S3OutputPathExtension": "/b/c/"}, "s3://out/a/b/c/key.out"),
        ({"S3OutputPathExtension": "b", "Filename": "x"}, "s3://out/a/b/x"),
    ],
)
def test_where_the_answer_goes(request_: dict[str, Any], output: str) -> None:
    """Below the endpoint's path, under the name that the request gives."""
    found = make({"EndpointName": "e", **request_}, CONFIG, key="key", now=10.0)
    assert (found.output_location, found.failure_location) == (output, "s3://out/failed/key-error.out")
    assert (found.inference_id, found.expires, found.timeout) == ("key", 21610.0, 900)


def test_without_paths() -> None:
    """There is nowhere to put an answer: it is in the notification alone."""
    found = make(
        {"EndpointName": "e", "InferenceId": "mine", "RequestTTLSeconds": 60}, {}, key="key", now=10.0
    )
    assert (found.output_location, found.failure_location) == ("", "")
    assert (found.inference_id, found.expires) == ("mine", 70.0)
    assert Inference(**found.as_row()) == found
