"""Tests of listings, with boto3, against the rule: keys by their bytes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

KEYS = ["a", "a-b", "a/", "a/1", "a/2", "a0", "b/c/d", "b/c/e", "b/f", "c", "ü", "z//y", "z/x"]


@pytest.fixture(scope="module")
def filled(s3: Any) -> str:
    """Make a bucket with the keys above."""
    s3.create_bucket(Bucket="listings")
    for key in random.Random(1).sample(KEYS, len(KEYS)):
        s3.put_object(Bucket="listings", Key=key, Body=key.encode())
    return "listings"


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages(s3: Any, filled: str, operation: str, size: int) -> None:
    pages = s3.get_paginator(operation).paginate(Bucket=filled, PaginationConfig={"PageSize": size})
    found = [one["Key"] for page in pages for one in page.get("Contents", [])]
    assert found == sorted(KEYS, key=str.encode)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "b/", "b/c", "z/", "none", "ü"])
def test_common_prefixes(s3: Any, filled: str, operation: str, size: int, prefix: str) -> None:
    arguments = {"Bucket": filled, "Prefix": prefix, "Delimiter": "/"}
    pages = list(s3.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": size}))
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    prefixes = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
    matching = [key for key in KEYS if key.startswith(prefix)]
    below = {
        prefix + key[len(prefix) :].partition("/")[0] + "/" for key in matching if "/" in key[len(prefix) :]
    }
    assert prefixes == sorted(below, key=str.encode)
    assert keys == sorted((key for key in matching if "/" not in key[len(prefix) :]), key=str.encode)


def test_other_delimiters_and_starts(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, Delimiter="-", Prefix="a")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a-"]
    page = s3.list_objects_v2(Bucket=filled, StartAfter="b/c/d")
    assert page["Contents"][0]["Key"] == "b/c/e"
    assert page["KeyCount"] == len(page["Contents"])
    empty = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)
    assert s3.list_objects_v2(Bucket=filled, MaxKeys=5000)["MaxKeys"] == 1000


def test_what_a_listing_says_is_what_a_head_says(s3: Any, filled: str) -> None:
    for one in s3.list_objects_v2(Bucket=filled)["Contents"]:
        head = s3.head_object(Bucket=filled, Key=one["Key"])
        assert (head["ETag"], head["ContentLength"]) == (one["ETag"], one["Size"])
        assert head["LastModified"] == one["LastModified"].replace(microsecond=0)


def test_many_keys(s3: Any, front: Any) -> None:
    s3.create_bucket(Bucket="many")
    folder = front.platform.buckets / "many"
    for number in range(2500):
        path = folder / f"{number % 7}" / f"{number:05}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="many"))
    assert [len(page["Contents"]) for page in pages] == [1000, 1000, 500]


def test_faults(s3: Any, filled: str) -> None:
    with pytest.raises(ClientError, match="The continuation token provided is incorrect"):
        s3.list_objects_v2(Bucket=filled, ContinuationToken="no token")
    with pytest.raises(ClientError, match="The continuation token provided is incorrect"):
        s3.list_objects_v2(Bucket=filled, ContinuationToken="")
    with pytest.raises(ClientError, match="InvalidArgument"):
        s3.list_objects_v2(Bucket=filled, EncodingType="base64")
    with pytest.raises(ClientError, match="InvalidArgument"):
        s3.list_objects_v2(Bucket=filled, MaxKeys=-1)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.list_objects_v2(Bucket="nobodys-bucket")
