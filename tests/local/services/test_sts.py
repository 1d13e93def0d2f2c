"""Tests of STS, with boto3."""

from __future__ import annotations

from typing import Any


def test_the_caller_is_a_session_of_the_role(front: Any) -> None:
    found = front.client("sts").get_caller_identity()
    assert found["Account"] == "000000000000"
    assert found["Arn"].startswith("arn:aws:sts::000000000000:assumed-role/mlberth/")


def test_a_role_can_be_assumed(front: Any) -> None:
    arn = "arn:aws:iam::000000000000:role/other"
    found = front.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")
    assert found["AssumedRoleUser"]["Arn"].endswith("assumed-role/other/me")
    keys = found["Credentials"]
    assert front.client("s3", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"]).list_buckets()
