"""Tests of presigned addresses whose query has what other requests have in headers, by boto3."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from botocore.config import Config
from tests.local.conftest import SECRET, Front

STYLES = [(version, style) for version in ("s3", "s3v4") for style in ("path", "virtual")]
FACTS = {
    "Metadata": {"colour": "dark blue", "n": "1"},
    "Tagging": "a=b&c=d",
    "StorageClass": "STANDARD_IA",
    "ServerSideEncryption": "AES256",
    "ContentType": "text/csv",
}


def client(front: Front, version: str, style: str) -> Any:
    """Return a client whose key is checked."""
    return boto3.client(
        "s3",
        endpoint_url=front.url.replace("127.0.0.1", "localhost"),
        region_name="us-east-1",
        aws_access_key_id="CHECKED",
        aws_secret_access_key=SECRET,
        config=Config(signature_version=version, s3={"addressing_style": style}),
    )


def send(front: Front, one: Any, operation: str, body: bytes, **request: Any) -> requests.Response:
    """Use a presigned address as any HTTP client does: with the headers that it names, and no others."""
    url = urlsplit(one.generate_presigned_url(operation, Params=request))
    method = one.meta.service_model.operation_model(
        "".join(word.capitalize() for word in operation.split("_"))
    ).http["method"]
    address = f"{front.url}{url.path}?{url.query}"
    return requests.request(method, address, data=body, headers={"Host": url.netloc}, timeout=10)


def hoisted(front: Front, one: Any, operation: str, body: bytes, **request: Any) -> requests.Response:
    """Move all `x-amz-…` of a request to its query before it is signed, as the SDK for JavaScript does."""

    def move(request: Any, **_: Any) -> None:
        for name in [name for name in request.headers if name.lower().startswith("x-amz-")]:
            request.params = {**request.params, name: request.headers[name]}
            del request.headers[name]
        del request.headers["Content-Type"]

    one.meta.events.register("before-sign.s3", move)
    return send(front, one, operation, body, **request)


@pytest.mark.parametrize(("version", "style"), STYLES)
def test_headers_in_the_query(front: Front, s3: Any, version: str, style: str) -> None:
    # In the fourth version, botocore leaves it to the client to send these headers.
    how = send if version == "s3" else hoisted
    bucket = f"headers-{version}-{style}"
    s3.create_bucket(Bucket=bucket)
    one = client(front, version, style)
    where = {"Bucket": bucket, "Key": "a b/ü"}
    assert how(front, one, "put_object", b"sent", **where, **FACTS).status_code == 200
    head = s3.head_object(**where)
    assert head["Metadata"] == FACTS["Metadata"]
    assert (head["StorageClass"], head["ServerSideEncryption"]) == ("STANDARD_IA", "AES256")
    assert s3.get_object_tagging(**where)["TagSet"] == [
        {"Key": "a", "Value": "b"},
        {"Key": "c", "Value": "d"},
    ]
    if version == "s3":
        assert head["ContentType"] == "text/csv"
    copied = how(
        front,
        one,
        "copy_object",
        b"",
        Bucket=bucket,
        Key="copy",
        CopySource=where,
        MetadataDirective="REPLACE",
        Metadata={"of": "the copy"},
    )
    assert (copied.status_code, "<CopyObjectResult" in copied.text) == (200, True)
    copy = s3.get_object(Bucket=bucket, Key="copy")
    assert (copy["Body"].read(), copy["Metadata"]) == (b"sent", {"of": "the copy"})
    other = how(
        front, one, "copy_object", b"", Bucket=bucket, Key="no", CopySource=where, CopySourceIfMatch='"x"'
    )
    assert other.status_code == 412
    begun = how(
        front, one, "create_multipart_upload", b"", Bucket=bucket, Key="parts", Metadata={"in": "parts"}
    )
    upload = begun.text.partition("<UploadId>")[2].partition("<")[0]
    part = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
    assert how(front, one, "upload_part", b"one", PartNumber=1, **part).status_code == 200
    ranged = {"CopySource": where, "CopySourceRange": "bytes=1-2"}
    assert how(front, one, "upload_part_copy", b"", PartNumber=2, **part, **ranged).status_code == 200
    assert [found["Size"] for found in s3.list_parts(**part)["Parts"]] == [3, 2]
    assert how(front, one, "abort_multipart_upload", b"", **part).status_code == 204
    wrong = how(front, one, "get_object", b"", **where, ExpectedBucketOwner="123456789012")
    assert wrong.status_code == 403
    assert "AccessDenied" in wrong.text
    shown = how(
        front, one, "get_object", b"", **where, ResponseContentType="x/y", ResponseExpires="2030-01-01"
    )
    assert (shown.content, shown.headers["Content-Type"]) == (b"sent", "x/y")
    assert how(front, one, "delete_object", b"", **where).status_code == 204


def test_a_changed_header_in_the_query_is_a_wrong_signature(front: Front, s3: Any, bucket: str) -> None:
    one = client(front, "s3", "path")
    request = {"Bucket": bucket, "Key": "k", "Metadata": {"colour": "blue"}}
    url = one.generate_presigned_url("put_object", Params=request).replace("localhost", "127.0.0.1")
    assert requests.put(url.replace("blue", "red"), data=b"x", timeout=10).status_code == 403
    sent = requests.put(url, data=b"x", headers={"X-Amz-Meta-Colour": "red"}, timeout=10)
    assert "SignatureDoesNotMatch" in sent.text
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_object_may_have_the_type_of_a_form(front: Front, s3: Any, bucket: str) -> None:
    """Of curl's `-d`, for instance."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.put(f"{front.url}/{bucket}/k", data=b"a=1&b", headers=headers, timeout=10)
    assert answer.status_code == 200
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), found["ContentType"]) == (b"a=1&b", headers["Content-Type"])
