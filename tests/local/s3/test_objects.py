"""Tests of single objects, with boto3."""

from __future__ import annotations

import hashlib
import io
import os
import time
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from tests.local.conftest import SECRET, Front

ODD_KEYS = [
    "a",
    "a/b",
    "a/b/c",
    "folder/",
    "..",
    "../up",
    "x/../y",
    "./here",
    "//",
    "/leading",
    "double//slash",
    " with  spaces ",
    "ünïcode/日本語/😀.txt",
    "percent%2Fencoded%00",
    "plus+and&and?=#",
    "tab\tand\nline",
    "quote\"'<>&",
    "back\\slash",
    "*:|",
    "n" * 300,
    "k" * 1024,
]


def code(call: Any, **arguments: Any) -> str:
    """Return the code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_keys_of_any_kind(s3: Any, bucket: str) -> None:
    for key in ODD_KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), Metadata={"of": "it"})
    for key in reversed(ODD_KEYS):
        found = s3.get_object(Bucket=bucket, Key=key)
        assert found["Body"].read() == key.encode()
        assert found["Metadata"] == {"of": "it"}
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(ODD_KEYS, key=str.encode)
    for key in ODD_KEYS:
        s3.delete_object(Bucket=bucket, Key=key)
        assert code(s3.get_object, Bucket=bucket, Key=key) == "NoSuchKey"
    s3.delete_bucket(Bucket=bucket)


def test_nothing_leaves_the_bucket(s3: Any, front: Front, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="../../escaped", Body=b"x")
    s3.put_object(Bucket=bucket, Key="../other-bucket/escaped", Body=b"x")
    plain = {
        path.relative_to(front.platform.buckets).parts[0]
        for path in front.platform.home.rglob("*")
        if path.is_file() and path.is_relative_to(front.platform.buckets)
    }
    assert {name for name in plain if not name.startswith(".")} <= {bucket, *plain - {"other-bucket"}}
    assert not (front.platform.home / "escaped").exists()
    assert not (front.platform.buckets / "other-bucket").exists()


def test_a_key_beside_keys_below_it(s3: Any, front: Front, bucket: str) -> None:
    """In both orders, and a file that was put there by hand moves out of the way too."""
    (front.platform.buckets / bucket / "first").write_bytes(b"by hand")
    s3.put_object(Bucket=bucket, Key="first/below", Body=b"1")
    s3.put_object(Bucket=bucket, Key="second/below", Body=b"2")
    s3.put_object(Bucket=bucket, Key="second", Body=b"3")
    bodies = {
        key: s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in ("first", "first/below", "second")
    }
    assert bodies == {"first": b"by hand", "first/below": b"1", "second": b"3"}
    s3.delete_object(Bucket=bucket, Key="first/below")
    s3.put_object(Bucket=bucket, Key="first", Body=b"plain again")
    assert (front.platform.buckets / bucket / "first").read_bytes() == b"plain again"
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == ["first", "second", "second/below"]


def test_a_file_put_there_by_hand_is_an_object(s3: Any, front: Front, bucket: str) -> None:
    path = front.platform.buckets / bucket / "data" / "train.csv"
    path.parent.mkdir()
    path.write_bytes(b"1,2\n")
    first = s3.get_object(Bucket=bucket, Key="data/train.csv")
    assert first["Body"].read() == b"1,2\n"
    assert first["ContentType"] == "binary/octet-stream"
    path.write_bytes(b"3,4\n5,6\n")
    assert s3.head_object(Bucket=bucket, Key="data/train.csv")["ETag"] != first["ETag"]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == 8


def test_what_was_put_by_hand_over_an_object_has_none_of_its_facts(
    s3: Any, front: Front, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old", Metadata={"of": "the old"}, ContentType="text/csv")
    assert (front.platform.buckets / bucket / "k").read_bytes() == b"old"
    (front.platform.buckets / bucket / "k").write_bytes(b"newer")
    found = s3.head_object(Bucket=bucket, Key="k")
    assert (found["Metadata"], found["ContentType"]) == ({}, "binary/octet-stream")


def test_facts_of_an_object(s3: Any, bucket: str) -> None:
    put = s3.put_object(
        Bucket=bucket,
        Key="k",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="max-age=3",
        ContentDisposition="attachment",
        ServerSideEncryption="aws:kms",
        Metadata={"name": "value"},
        Tagging="a=1&b=2",
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert put["ServerSideEncryption"] == "aws:kms"
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    expected = {
        "ContentLength": 5,
        "ContentType": "text/plain",
        "CacheControl": "max-age=3",
        "ContentDisposition": "attachment",
        "Metadata": {"name": "value"},
        "ChecksumCRC32": "NhCmhg==",
        "AcceptRanges": "bytes",
    }
    assert {name: head[name] for name in expected} == expected
    assert abs(head["LastModified"].timestamp() - time.time()) < 60
    assert s3.get_object(Bucket=bucket, Key="k", ResponseContentType="x/y")["ContentType"] == "x/y"
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]}
    assert tags == {"a": "1", "b": "2"}
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


@pytest.mark.parametrize(
    ("asked", "body", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-100", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
        ("bytes=4-2", b"0123456789", None),
        ("lines=1-2", b"0123456789", None),
    ],
)
def test_ranges(s3: Any, front: Front, asked: str, body: bytes, content_range: str | None) -> None:
    s3.create_bucket(Bucket="ranges")
    s3.put_object(Bucket="ranges", Key="k", Body=b"0123456789")
    found = requests.get(f"{front.url}/ranges/k", headers={"Range": asked}, timeout=10)
    assert found.content == body
    assert found.headers.get("Content-Range") == content_range
    assert found.status_code == (206 if content_range else 200)
    assert found.headers["Content-Length"] == str(len(body))


def test_a_range_outside_the_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert code(s3.get_object, Bucket=bucket, Key="k", Range="bytes=4-") == "InvalidRange"
    assert code(s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-") == "InvalidRange"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="empty", Range="bytes=0-")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["content-range"] == "bytes */0"
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes=0-{'9' * 5000}")["Body"].read()
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""


def test_conditions(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"') == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="new", Body=b"2", IfMatch=etag) == "NoSuchKey"
    s3.put_object(Bucket=bucket, Key="new", Body=b"2", IfNoneMatch="*")
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)["ETag"]
    with pytest.raises(ClientError) as unchanged:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=second)
    assert unchanged.value.response["Error"]["Code"] == "304"
    assert unchanged.value.response["ResponseMetadata"]["HTTPHeaders"]["etag"] == second
    assert code(s3.get_object, Bucket=bucket, Key="k", IfMatch=etag) == "PreconditionFailed"
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert code(s3.get_object, Bucket=bucket, Key="k", IfModifiedSince=modified) == "304"
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified)["Body"].read() == b"2"


def test_deletes_many(s3: Any, bucket: str) -> None:
    for key in ("a", "b/c", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    keys = [{"Key": key} for key in ("a", "b/c", "never there")]
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})["Deleted"] == keys
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["d"]


def test_deletes_on_conditions(s3: Any, bucket: str) -> None:
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"] for key in "abcdef"}
    keys = [
        {"Key": "a", "ETag": etags["a"]},
        {"Key": "b", "ETag": etags["a"]},
        {"Key": "c", "ETag": "*"},
        {"Key": "d", "VersionId": "null"},
        {"Key": "e", "VersionId": "another"},
        {"Key": "never there", "ETag": etags["a"]},
    ]
    found = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert [one["Key"] for one in found["Deleted"]] == ["a", "c", "d"]
    errors = {one["Key"]: one["Code"] for one in found["Errors"]}
    assert errors == {"b": "PreconditionFailed", "e": "NoSuchVersion", "never there": "NoSuchKey"}
    left = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == ["b", "e", "f"]
    for name, value in (("Size", 1), ("LastModifiedTime", 0)):
        with pytest.raises(ClientError, match="of directory buckets"):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b", name: value}]})
    where = {"Bucket": bucket, "Key": "b"}
    assert code(s3.delete_object, **where, IfMatch=etags["a"]) == "PreconditionFailed"
    assert code(s3.delete_object, **where, IfMatch="") == "PreconditionFailed"
    assert code(s3.delete_object, **where, VersionId="another") == "NoSuchVersion"
    assert code(s3.get_object_tagging, **where, VersionId="another") == "NoSuchVersion"
    assert code(s3.delete_object_tagging, **where, VersionId="another") == "NoSuchVersion"
    assert s3.get_object(**where, VersionId="null")["Body"].read() == b"b"
    s3.delete_object(**where, IfMatch=etags["b"])
    s3.delete_object(Bucket=bucket, Key="e", IfMatch="*")
    assert code(s3.delete_object, Bucket=bucket, Key="e", IfMatch="*") == "NoSuchKey"
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "f"}], "Quiet": True})
    assert "Deleted" not in quiet


def test_metadata_of_any_bytes_comes_back(front: Front, bucket: str) -> None:
    for value in (b"caf\xc3\xa9", b"caf\xe9", b"\xff\x80"):
        headers = {"x-amz-meta-name": value}
        assert requests.put(f"{front.url}/{bucket}/k", data=b"", headers=headers, timeout=10).ok
        assert "x-amz-meta-name" in requests.get(f"{front.url}/{bucket}/k", timeout=10).headers


def test_an_owner_who_is_not(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner="000000000000")
    other = "123456789012"
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner=other) == "AccessDenied"
    assert code(s3.head_bucket, Bucket=bucket, ExpectedBucketOwner=other) == "403"
    assert code(s3.get_object, Bucket=bucket, Key="k", ExpectedBucketOwner=other) == "AccessDenied"


def test_a_body_that_is_not_as_it_should_be(s3: Any, front: Front, bucket: str) -> None:
    wrong = {"ChecksumCRC32": "AAAAAA=="}
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **wrong) == "BadDigest"
    assert (
        code(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
        == "BadDigest"
    )
    assert code(s3.get_object, Bucket=bucket, Key="k") == "NoSuchKey"
    assert list((front.platform.buckets / ".uploads").glob("*")) == []


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_that_the_client_asks_for(s3: Any, bucket: str, algorithm: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert got["Body"].read() == b"hello"  # botocore compares it


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_addresses(front: Front, s3: Any, version: str) -> None:
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="a b/ü", Body=b"x")
    client = front.client("s3", key="CHECKED", secret=SECRET, signature_version=version)
    where = {"Bucket": "presigned", "Key": "a b/ü"}
    url = client.generate_presigned_url("get_object", Params=where)
    assert requests.get(url, timeout=10).content == b"x"
    forged = requests.get(url.replace("a%20b", "a%20c"), timeout=10)
    assert (forged.status_code, "SignatureDoesNotMatch" in forged.text) == (403, True)
    front.clock.ahead = 3605
    late = requests.get(url, timeout=10)
    front.clock.ahead = 0
    assert (late.status_code, "Request has expired" in late.text) == (403, True)
    put = client.generate_presigned_url("put_object", Params={"Bucket": "presigned", "Key": "new"})
    assert requests.put(put, data=b"sent", timeout=10).status_code == 200
    assert s3.get_object(Bucket="presigned", Key="new")["Body"].read() == b"sent"


def test_a_secret_that_is_wrong(front: Front) -> None:
    assert front.client("s3", key="CHECKED", secret=SECRET).list_buckets()["Owner"]
    wrong = front.client("s3", key="CHECKED", secret="wrong")
    assert code(wrong.list_buckets) == "SignatureDoesNotMatch"
    assert code(wrong.put_object, Bucket="any-bucket", Key="k", Body=b"x") == "SignatureDoesNotMatch"


def test_a_signed_body_is_checked(front: Front, s3: Any, bucket: str) -> None:
    checked = front.client("s3", key="CHECKED", secret=SECRET)
    checked.put_object(Bucket=bucket, Key="k/+ =&", Body=b"x" * 100_000)
    assert s3.get_object(Bucket=bucket, Key="k/+ =&")["Body"].read() == b"x" * 100_000


def test_virtual_hosts(front: Front, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    host = {"Host": f"{bucket}.s3.us-east-1.amazonaws.com"}
    assert requests.get(f"{front.url}/k", headers=host, timeout=10).content == b"x"


def test_an_encoding_stays_as_it_is(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k.gz", Body=b"\x1f\x8bnot read", ContentEncoding="gzip")
    found = s3.get_object(Bucket=bucket, Key="k.gz")
    assert (found["Body"].read(), found["ContentEncoding"]) == (b"\x1f\x8bnot read", "gzip")


def test_an_object_that_is_replaced_while_it_is_read(s3: Any, bucket: str) -> None:
    """A reader gets the object that was there when it began."""
    old = os.urandom(4 << 20)
    s3.put_object(Bucket=bucket, Key="k", Body=old)
    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    head = body.read(100)
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert head + body.read() == old


def test_a_million_lines_come_back(s3: Any, bucket: str) -> None:
    content = b"line\n" * 1_000_000
    s3.upload_fileobj(io.BytesIO(content), bucket, "k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == content
