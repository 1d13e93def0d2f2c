"""Tests of buckets, with boto3."""

from __future__ import annotations

from typing import Any

import pytest
from tests.local.s3.test_objects import code


def test_a_bucket_is_a_folder(s3: Any, front: Any, bucket: str) -> None:
    assert (front.platform.buckets / bucket).is_dir()
    (front.platform.buckets / "made-by-hand").mkdir()
    assert {bucket, "made-by-hand"} <= {one["Name"] for one in s3.list_buckets()["Buckets"]}
    assert s3.head_bucket(Bucket="made-by-hand")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


def test_only_an_empty_bucket_can_be_deleted(s3: Any, front: Any, bucket: str) -> None:
    (front.platform.buckets / bucket / "empty" / "folders").mkdir(parents=True)
    s3.put_object(Bucket=bucket, Key="..", Body=b"")
    assert code(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    s3.delete_object(Bucket=bucket, Key="..")
    link = front.platform.buckets / bucket / "link"
    link.symlink_to(front.platform.home)
    assert code(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    link.unlink()
    s3.delete_bucket(Bucket=bucket)
    assert code(s3.head_bucket, Bucket=bucket) == "404"


@pytest.mark.parametrize("name", ["ab", "UPPER", "a..b", "192.168.0.1", "-a-", "a_b"])
def test_names_that_are_none(front: Any, name: str) -> None:
    client = front.client("s3", parameter_validation=False)
    assert code(client.create_bucket, Bucket=name) in {"InvalidBucketName", "400"}
    assert not (front.platform.buckets / name).exists()


def test_an_operation_that_is_not_there(s3: Any, bucket: str) -> None:
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy="{}") == "UnknownOperationException"
