"""Tests of requests to S3 that its model does not allow."""

from __future__ import annotations

import pytest
import requests
from tests.local.conftest import Front


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("POST", "delete", "<Delete><Object/></Delete>"),
        ("POST", "delete", "<Delete><Object><Key></Key></Object></Delete>"),
        ("POST", "delete", "<Delete/>"),
        ("POST", "delete", "<Delete><Object><Key>k</Key><Size>big</Size></Object></Delete>"),
        ("PUT", "tagging", "<Tagging/>"),
        ("PUT", "tagging", "<Tagging><TagSet><Tag><Value>v</Value></Tag></TagSet></Tagging>"),
        ("PUT", "tagging", "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>"),
        ("PUT", "tagging", "<Tagging>"),
    ],
)
def test_bodies_that_the_schema_does_not_allow(
    front: Front, bucket: str, method: str, query: str, body: str
) -> None:
    requests.put(f"{front.url}/{bucket}/k", data=b"x", timeout=10)
    path = bucket if query == "delete" else f"{bucket}/k"
    answer = requests.request(method, f"{front.url}/{path}?{query}", data=body, timeout=10)
    assert (answer.status_code, "<Code>MalformedXML<" in answer.text) == (400, True), answer.text
    empty = requests.request(method, f"{front.url}/{path}?{query}", timeout=10)
    assert (empty.status_code, "<Code>MissingRequestBodyError<" in empty.text) == (400, True)
    assert requests.get(f"{front.url}/{bucket}/k", timeout=10).content == b"x"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-amz-storage-class": "CHEAP"}, "InvalidStorageClass"),
        ({"x-amz-acl": "nobody"}, "InvalidArgument"),
        ({"x-amz-server-side-encryption": "rot13"}, "InvalidArgument"),
        ({"x-amz-tagging": "a=1&a=2"}, "InvalidTag"),
        ({"x-amz-tagging": f"{'k' * 129}=1"}, "InvalidTag"),
        ({"x-amz-tagging": f"a={'v' * 257}"}, "InvalidTag"),
        ({"x-amz-tagging": "&".join(f"k{n}=v" for n in range(11))}, "BadRequest"),
        ({"x-amz-meta-long": "v" * 2048}, "MetadataTooLarge"),
    ],
)
def test_headers_that_s3_does_not_take(
    front: Front, bucket: str, headers: dict[str, str], expected: str
) -> None:
    answer = requests.put(f"{front.url}/{bucket}/k", data=b"x", headers=headers, timeout=10)
    assert (answer.status_code, f"<Code>{expected}<" in answer.text) == (400, True), answer.text
