"""Tests of multipart uploads, with boto3."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from tests.local.s3.test_objects import code

PART = 5 << 20


def etag_of(parts: list[bytes]) -> str:
    """Return S3's ETag of an object in parts."""
    whole = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f'"{whole}-{len(parts)}"'


def upload(s3: Any, bucket: str, key: str, parts: list[bytes], **arguments: Any) -> dict[str, Any]:
    """Upload parts in the opposite order, and complete."""
    begun = s3.create_multipart_upload(Bucket=bucket, Key=key, **arguments)["UploadId"]
    where = {"Bucket": bucket, "Key": key, "UploadId": begun}
    sent = {}
    for number in range(len(parts), 0, -1):
        sent[number] = s3.upload_part(**where, PartNumber=number, Body=parts[number - 1])["ETag"]
    listed = [{"PartNumber": number, "ETag": sent[number]} for number in sorted(sent)]
    assert [one["PartNumber"] for one in s3.list_parts(**where)["Parts"]] == sorted(sent)
    return dict(s3.complete_multipart_upload(**where, MultipartUpload={"Parts": listed}))


def test_parts_become_an_object(s3: Any, bucket: str) -> None:
    parts = [os.urandom(PART), os.urandom(PART), b"end"]
    done = upload(s3, bucket, "in/parts", parts, Metadata={"a": "b"}, ContentType="x/y")
    assert done["ETag"] == etag_of(parts)
    found = s3.get_object(Bucket=bucket, Key="in/parts")
    assert found["Body"].read() == b"".join(parts)
    assert (found["Metadata"], found["ContentType"], found["ETag"]) == ({"a": "b"}, "x/y", etag_of(parts))


def test_parts_of_one_size_are_written_in_place(s3: Any, front: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    parts = [os.urandom(PART), os.urandom(PART), b"end"]
    numbered = list(enumerate(parts, 1))
    etags = {n: s3.upload_part(**where, PartNumber=n, Body=part)["ETag"] for n, part in numbered}
    folder = front.platform.buckets / ".uploads" / where["UploadId"]
    assert (folder / "whole").read_bytes() == b"".join(parts)
    # One that is sent again must not change what was acknowledged before it is whole itself.
    again = os.urandom(PART)
    etags[2] = s3.upload_part(**where, PartNumber=2, Body=again)["ETag"]
    assert (folder / "whole").read_bytes() == b"".join(parts)
    listed = [{"PartNumber": n, "ETag": etags[n]} for n in (1, 2, 3)]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": listed})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == parts[0] + again + parts[2]
    assert not folder.exists()


def test_a_part_that_is_longer_than_it_says_spoils_no_other(s3: Any, front: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    etags = {n: s3.upload_part(**where, PartNumber=n, Body=b"12345")["ETag"] for n in (1, 3)}
    headers = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "5"}
    url = f"{front.url}/{bucket}/k?partNumber=2&uploadId={where['UploadId']}"
    answer = requests.put(url, data=b"a\r\n0123456789\r\n0\r\n\r\n", headers=headers, timeout=5)
    assert "IncompleteBody" in answer.text
    whole = front.platform.buckets / ".uploads" / where["UploadId"] / "whole"
    assert whole.read_bytes()[10:] == b"12345"
    assert sorted(one["PartNumber"] for one in s3.list_parts(**where)["Parts"]) == sorted(etags)


def test_boto3_copies_large_objects_by_parts(s3: Any, bucket: str) -> None:
    content = os.urandom(12 << 20)
    s3.put_object(Bucket=bucket, Key="from", Body=content)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.copy({"Bucket": bucket, "Key": "from"}, bucket, "to", Config=config)
    found = s3.get_object(Bucket=bucket, Key="to")
    assert found["Body"].read() == content
    assert found["ETag"].endswith('-3"')


def test_a_part_sent_twice_counts_once(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    first = s3.upload_part(**where, PartNumber=1, Body=b"first")["ETag"]
    second = s3.upload_part(**where, PartNumber=1, Body=b"second")["ETag"]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": first}]}
    assert code(s3.complete_multipart_upload, **where, MultipartUpload=wrong) == "InvalidPart"
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": second}]})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"


def test_faults(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    etags = [s3.upload_part(**where, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    complete = s3.complete_multipart_upload
    assert code(complete, **where, MultipartUpload={"Parts": parts}) == "EntityTooSmall"
    assert code(complete, **where, MultipartUpload={"Parts": parts[::-1]}) == "InvalidPartOrder"
    assert code(complete, **where, MultipartUpload={"Parts": []}) == "MalformedXML"
    assert code(s3.upload_part, **where, PartNumber=10_001, Body=b"") == "InvalidArgument"
    other = {**where, "Key": "another"}
    assert code(s3.upload_part, **other, PartNumber=1, Body=b"") == "NoSuchUpload"
    for invented in ("../../x", "0" * 32):
        assert (
            code(s3.upload_part, **{**where, "UploadId": invented}, PartNumber=1, Body=b"") == "NoSuchUpload"
        )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-999", "InvalidRange"),
        ("bytes=5-5", "InvalidRange"),
        ("0-3", "InvalidArgument"),
        ("bytes=3-1", "InvalidArgument"),
        ("bytes=-3", "InvalidArgument"),
        ("bytes=1-", "InvalidArgument"),
        ("bytes=0-1,3-4", "InvalidArgument"),
        ("", "InvalidArgument"),
    ],
)
def test_ranges_that_cannot_be_copied(s3: Any, bucket: str, asked: str, expected: str) -> None:
    s3.put_object(Bucket=bucket, Key="five", Body=b"12345")
    where = {"Bucket": bucket, "Key": "k", "PartNumber": 1}
    where["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    source = {"Bucket": bucket, "Key": "five"}
    assert code(s3.upload_part_copy, **where, CopySource=source, CopySourceRange=asked) == expected
    s3.upload_part_copy(**where, CopySource=source, CopySourceRange="bytes=4-4")
    del where["PartNumber"]
    assert [one["Size"] for one in s3.list_parts(**where)["Parts"]] == [1]


def test_lists_of_parts_that_are_none(s3: Any, front: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    etag = s3.upload_part(**where, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32")["ETag"]
    url = f"{front.url}/{bucket}/k?uploadId={where['UploadId']}"
    for part in (
        f"<ETag>{etag}</ETag>",
        "<PartNumber>1</PartNumber>",
        f"<ETag>{etag}</ETag><PartNumber>one</PartNumber>",
        f"<ETag>{etag}</ETag><PartNumber>{'9' * 5000}</PartNumber>",
        "",
    ):
        body = f"<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>"
        answer = requests.post(url, data=body, timeout=10)
        assert (answer.status_code, "<Code>MalformedXML<" in answer.text) == (400, True), answer.text
    wrong = {"Parts": [{"PartNumber": 1, "ETag": etag, "ChecksumCRC32": "AAAAAA=="}]}
    assert code(s3.complete_multipart_upload, **where, MultipartUpload=wrong) == "InvalidPart"


def test_pages_of_parts(s3: Any, front: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    for number in (1, 2, 5):
        s3.upload_part(**where, PartNumber=number, Body=b"x")
    pages = list(s3.get_paginator("list_parts").paginate(**where, PaginationConfig={"PageSize": 2}))
    assert [[one["PartNumber"] for one in page["Parts"]] for page in pages] == [[1, 2], [5]]
    none = s3.list_parts(**where, MaxParts=0)
    assert ("Parts" in none, none["IsTruncated"]) == (False, False)
    url = f"{front.url}/{bucket}/k?uploadId={where['UploadId']}"
    for query in ("max-parts=-1", "max-parts=x", "part-number-marker=x", "part-number-marker=-1"):
        answer = requests.get(f"{url}&{query}", timeout=10)
        assert (answer.status_code, "<Code>InvalidArgument<" in answer.text) == (400, True)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_pages_of_uploads(s3: Any, bucket: str, size: int) -> None:
    keys = ["a", "a", "b/1", "b/2", "c d", "c d", "c d", "e/", "ü"]
    begun = [s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in keys]
    paginate = s3.get_paginator("list_multipart_uploads").paginate
    pages = list(paginate(Bucket=bucket, PaginationConfig={"PageSize": size}))
    assert max(len(page["Uploads"]) for page in pages) <= size
    uploads = [one for page in pages for one in page["Uploads"]]
    assert [(one["Key"], one["UploadId"]) for one in uploads] == list(zip(keys, begun, strict=True))
    grouped = list(paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}))
    prefixes = [one["Prefix"] for page in grouped for one in page.get("CommonPrefixes", [])]
    assert prefixes == ["b/", "e/"]
    shown = [one["Key"] for page in grouped for one in page.get("Uploads", [])]
    assert shown == [key for key in keys if "/" not in key]
    encoded = s3.list_multipart_uploads(Bucket=bucket, Prefix="ü", EncodingType="url")["Uploads"]
    assert [one["Key"] for one in encoded] == ["%C3%BC"]


def test_an_aborted_upload_is_gone(s3: Any, front: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    where["UploadId"] = s3.create_multipart_upload(**where)["UploadId"]
    s3.upload_part(**where, PartNumber=1, Body=b"x")
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]
    s3.abort_multipart_upload(**where)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert not (front.platform.buckets / ".uploads" / where["UploadId"]).exists()
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.abort_multipart_upload(**where)
