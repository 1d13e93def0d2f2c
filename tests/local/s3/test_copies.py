"""Tests of copies, with boto3."""

from __future__ import annotations

from typing import Any

from tests.local.s3.test_objects import code


def test_copies(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from + ü", Body=b"x", Metadata={"a": "b"}, ContentType="text/csv")
    source = {"Bucket": bucket, "Key": "from + ü"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    kept = s3.head_object(Bucket=bucket, Key="to")
    assert (kept["Metadata"], kept["ContentType"]) == ({"a": "b"}, "text/csv")
    s3.copy_object(
        Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "d"}
    )
    assert s3.head_object(Bucket=bucket, Key="to")["Metadata"] == {"c": "d"}
    assert code(s3.copy_object, Bucket=bucket, Key="from + ü", CopySource=source) == "InvalidRequest"
    for key in ("d/", "..", "first"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        s3.put_object(Bucket=bucket, Key="first/below", Body=b"")
        itself = {"Bucket": bucket, "Key": key, "CopySource": {"Bucket": bucket, "Key": key}}
        assert code(s3.copy_object, **itself) == "InvalidRequest"
        assert code(s3.copy_object, **itself, ContentType="not/changed") == "InvalidRequest"
        s3.copy_object(**itself, StorageClass="STANDARD_IA")
        assert s3.head_object(Bucket=bucket, Key=key)["StorageClass"] == "STANDARD_IA"
    for name in ("MetadataDirective", "TaggingDirective"):
        assert code(s3.copy_object, Bucket=bucket, Key="to", CopySource=source, **{name: "replace"}) == (
            "InvalidArgument"
        )
    other = {**source, "VersionId": "another"}
    assert code(s3.copy_object, Bucket=bucket, Key="to", CopySource=other) == "NoSuchVersion"
    missing = {"Bucket": bucket, "Key": "none"}
    assert code(s3.copy_object, Bucket=bucket, Key="to", CopySource=missing) == "NoSuchKey"
