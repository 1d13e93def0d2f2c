"""Tests of STS, with boto3."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.local.conftest import SECRET, Front

ROLE = "arn:aws:iam::000000000000:role/other"


def client(front: Front, service: str, keys: dict[str, Any], **config: Any) -> Any:
    """Return a client with the keys that a role was assumed with."""
    return boto3.client(
        service,
        endpoint_url=front.url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


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


def test_the_keys_of_a_checked_caller_are_checked(front: Front) -> None:
    """A container's own key is one of these, and a key that is not checked counts on this machine alone."""
    assume = front.client("sts", key="CHECKED", secret=SECRET).assume_role
    keys = assume(RoleArn=ROLE, RoleSessionName="me", DurationSeconds=900)["Credentials"]
    sts = client(front, "sts", keys)
    assert sts.get_caller_identity()["Arn"].endswith("assumed-role/other/me")
    again = sts.assume_role(RoleArn=ROLE.replace("other", "third"), RoleSessionName="again")["Credentials"]
    assert client(front, "sts", again).get_caller_identity()["Arn"].endswith("assumed-role/third/again")
    s3 = client(front, "s3", keys)
    s3.create_bucket(Bucket="of-a-session")
    s3.put_object(Bucket="of-a-session", Key="k", Body=b"x")
    where = {"Bucket": "of-a-session", "Key": "k"}
    for version in ("s3", "s3v4"):
        url = client(front, "s3", keys, signature_version=version).generate_presigned_url("get_object", where)
        assert requests.get(url, timeout=10).content == b"x"
        assert requests.get(url.replace("/k?", "/l?"), timeout=10).status_code == 403
    other = assume(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    wrong = [
        {**keys, "SecretAccessKey": other["SecretAccessKey"]},
        {**keys, "SessionToken": other["SessionToken"]},
        {**keys, "SessionToken": keys["SessionToken"][:-1] + "x"},
        {**keys, "SessionToken": "mlberth.x"},
    ]
    for one in wrong:
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidToken"):
            client(front, "sts", one).get_caller_identity()
    front.clock.ahead = 901
    with pytest.raises(ClientError, match="ExpiredToken"):
        client(front, "s3", keys).list_buckets()
    front.clock.ahead = 0
