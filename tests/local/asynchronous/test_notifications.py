"""The notifications of asynchronous requests."""

from __future__ import annotations

import json

from mlberth_local.asynchronous.inference import Inference
from mlberth_local.asynchronous.notifications import notification

INFERENCE = Inference(
    "key", "id", "e", "s3://in/x.csv", "text/csv", "", "", "s3://out/key.out", "s3://bad/key", 1.5, 60, 60
)


def test_a_success() -> None:
    """It has the platform's members; the answer only if it was asked for."""
    found = json.loads(notification(INFERENCE, region="r", now=2.0, failure="", response=None))
    assert found == {
        "awsRegion": "r",
        "eventTime": "1970-01-01T00:00:02.000Z",
        "receivedTime": "1970-01-01T00:00:01.500Z",
        "invocationStatus": "Completed",
        "requestParameters": {
            "accept": "",
            "contentType": "text/csv",
            "endpointName": "e",
            "inputLocation": "s3://in/x.csv",
        },
        "responseParameters": {"outputLocation": "s3://out/key.out"},
        "inferenceId": "id",
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    text = notification(INFERENCE, region="r", now=2.0, failure="", response=(b"\xff", "a/b"))
    found = json.loads(text)
    assert found["responseBody"] == {"content": "/w==", "encoding": "BASE64"}
    assert found["responseParameters"]["contentType"] == "a/b"
    large = notification(INFERENCE, region="r", now=2.0, failure="", response=(bytes(200_000), "a/b"))
    assert "responseBody" not in json.loads(large)


def test_a_failure() -> None:
    """It says why, and where the same is written."""
    found = json.loads(notification(INFERENCE, region="r", now=2.0, failure="no", response=None))
    assert (found["invocationStatus"], found["failureReason"]) == ("Failed", "no")
    assert found["responseParameters"] == {"failureLocation": "s3://bad/key"}
