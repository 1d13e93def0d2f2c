"""Tests of the server itself, byte by byte where it matters."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import socket
import time
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from tests.local.conftest import SECRET, Front
from tests.support import within


def test_a_body_is_asked_for_at_once(front: Front, s3: Any, bucket: str) -> None:
    """Clients that send `Expect: 100-continue` wait a second for it."""
    head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front.platform.settings.port), timeout=5) as connection:
        started = time.monotonic()
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert time.monotonic() - started < within(0.5)
        connection.sendall(b"ok")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"ok"


def test_a_connection_is_kept(front: Front, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100)
    with requests.Session() as session:
        found = [session.get(f"{front.url}/{bucket}/k", timeout=5) for _ in range(3)]
        assert [one.content for one in found] == [b"x" * 100] * 3
        assert session.head(f"{front.url}/{bucket}/k", timeout=5).headers["Content-Length"] == "100"
        assert session.head(f"{front.url}/{bucket}/none", timeout=5).status_code == 404
        assert session.get(f"{front.url}/{bucket}/k", timeout=5).content == b"x" * 100


def chunked(*chunks: bytes, trailer: str = "") -> bytes:
    """Return a body in the encoding aws-chunked."""
    body = b"".join(b"%x;chunk-signature=0\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return body + f"0;chunk-signature=0\r\n{trailer}\r\n".encode()


def test_chunks_with_a_trailer(front: Front, s3: Any, bucket: str) -> None:
    """What SDKs of other languages send, and botocore over TLS."""
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "11",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    url = f"{front.url}/{bucket}/k"
    body = chunked(b"hello ", b"world", trailer="x-amz-checksum-crc32:DUoRhQ==\r\n")
    assert requests.put(url, data=body, headers=headers, timeout=5).status_code == 200
    found = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (found["Body"].read(), found["ChecksumCRC32"]) == (b"hello world", "DUoRhQ==")
    assert "ContentEncoding" not in found
    wrong = chunked(b"hello ", b"world", trailer="x-amz-checksum-crc32:AAAAAA==\r\n")
    assert "BadDigest" in requests.put(url, data=wrong, headers=headers, timeout=5).text
    for broken in (body[:30], b"no chunks", chunked(b"hello")):
        answer = requests.put(url, data=broken, headers=headers, timeout=5)
        assert (answer.status_code, "IncompleteBody" in answer.text) == (400, True)


def test_a_client_that_goes_away_leaves_nothing(front: Front, s3: Any, bucket: str) -> None:
    head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front.platform.settings.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"x" * 2_000_000)
    deadline = time.monotonic() + 10
    while list((front.platform.buckets / ".uploads").glob("*")) and time.monotonic() < deadline:
        s3.list_buckets()
    assert list((front.platform.buckets / ".uploads").glob("*")) == []
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="k")


def test_an_operation_that_is_not_here_names_those_that_are(front: Front) -> None:
    with pytest.raises(ClientError) as caught:
        front.client("logs").put_retention_policy(logGroupName="g", retentionInDays=1)
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "those that are: DescribeLogGroups, " in caught.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="UnknownOperationException"):
        front.client("sts").decode_authorization_message(EncodedMessage="x")


def test_errors_in_the_forms_of_the_protocols(front: Front) -> None:
    target = {"X-Amz-Target": "Logs_20140328.GetLogEvents"}
    answer = requests.post(front.url, data=b"{}", headers=target, timeout=5)
    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert answer.json()["__type"] == "InvalidParameterException"
    assert answer.headers["x-amzn-RequestId"]
    form = {"Action": "AssumeRole", "Version": "2011-06-15"}
    answer = requests.post(front.url, data=form, timeout=5)
    assert answer.status_code == 400
    assert "<Type>Sender</Type><Code>ValidationError</Code>" in answer.text
    answer = requests.get(f"{front.url}/no-bucket/k", timeout=5)
    assert "<Code>NoSuchBucket</Code>" in answer.text
    assert "<Resource>/no-bucket/k</Resource>" in answer.text
    assert str(front.platform.home) not in answer.text


def test_a_signature_of_another_service_is_checked(front: Front) -> None:
    for service, call in (("sts", "get_caller_identity"), ("logs", "describe_log_groups")):
        assert getattr(front.client(service, key="CHECKED", secret=SECRET), call)()
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            getattr(front.client(service, key="CHECKED", secret="wrong"), call)()
    front.clock.ahead = 1000
    with pytest.raises(ClientError, match="RequestTimeTooSkewed"):
        front.client("sts", key="CHECKED", secret=SECRET).get_caller_identity()
    front.clock.ahead = 0


def test_a_compressed_request(front: Front) -> None:
    """As botocore sends many metrics."""
    data = {"Namespace": "N", "MetricData": [{"MetricName": "zipped", "Value": 1.5}]}
    headers = {
        "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
        "Content-Encoding": "gzip",
    }
    body = gzip.compress(json.dumps(data).encode())
    assert requests.post(front.url, data=body, headers=headers, timeout=5).status_code == 200
    found = front.client("cloudwatch").list_metrics(Namespace="N")["Metrics"]
    assert [one["MetricName"] for one in found] == ["zipped"]
    bomb = gzip.compress(bytes(40 << 20))
    assert requests.post(front.url, data=bomb, headers=headers, timeout=5).status_code == 413
    for broken in (b"no gzip", body[:-20], b""):
        assert requests.post(front.url, data=broken, headers=headers, timeout=5).status_code == 400


@pytest.mark.parametrize("secret", [SECRET, "wrong"])
def test_a_compressed_request_is_signed_as_it_is_sent(front: Front, secret: str) -> None:
    """Botocore compresses metrics from 10240 bytes on."""
    client = front.client("cloudwatch", key="CHECKED", secret=secret)
    compressed = []
    client.meta.events.register(
        "before-send.cloudwatch", lambda request, **_: compressed.append(request.headers["Content-Encoding"])
    )
    data = [{"MetricName": f"{'m' * 200}{n}", "Value": n} for n in range(100)]
    if secret != SECRET:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            client.put_metric_data(Namespace="Signed", MetricData=data)
        return
    client.put_metric_data(Namespace="Signed", MetricData=data)
    assert compressed in ([b"gzip"], ["gzip"])
    assert len(front.client("cloudwatch").list_metrics(Namespace="Signed")["Metrics"]) == 100


def test_an_entry_of_a_form_without_its_name(front: Front) -> None:
    form = {"Action": "Publish", "Version": "2010-03-31", "Message": "m"}
    for entry in ("MessageAttributes.entry.1.value.StringValue", "MessageAttributes.entry.1"):
        answer = requests.post(front.url, data={**form, entry: "x"}, timeout=5)
        assert (answer.status_code, "<Code>MalformedInput<" in answer.text) == (400, True), answer.text


def test_requests_that_are_none(front: Front) -> None:
    for target in ("", ".", "SageMaker.", "SageMaker", "../../etc"):
        answer = requests.post(front.url, data=b"{}", headers={"X-Amz-Target": target}, timeout=5)
        assert answer.status_code in {400, 404, 405}, target
    assert requests.request("BREW", front.url, timeout=5).status_code in {400, 404, 405}
    doctype = b'<!DOCTYPE a [<!ENTITY b "b">]><Delete><Object><Key>&b;</Key></Object></Delete>'
    assert "MalformedXML" in requests.post(f"{front.url}/bucket?delete", data=doctype, timeout=5).text


def test_the_health_route(front: Front) -> None:
    assert requests.get(f"{front.url}/_mlberth/health", timeout=5).json() == {
        "home": str(front.platform.home)
    }


def test_an_object_that_is_as_it_came(front: Front, s3: Any, bucket: str) -> None:
    """In pieces that end anywhere, against the hash."""
    content = hashlib.shake_256(b"seed").digest(3_333_333)
    pieces = (content[start : start + 77_777] for start in range(0, len(content), 77_777))
    assert requests.put(f"{front.url}/{bucket}/k", data=pieces, timeout=10).status_code == 200
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == content


def test_a_page_in_a_browser_cannot_send_requests(front: Front, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    page = {"Origin": "http://somewhere.example", "Content-Type": "text/plain"}
    assert (
        requests.post(f"{front.url}/{bucket}?delete", data=body, headers=page, timeout=5).status_code == 403
    )
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    signed = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert requests.get(signed, headers=page, timeout=5).content == b"x"


@pytest.mark.parametrize(
    ("number", "answered"),
    [(errno.ENOSPC, (507, "InsufficientStorage")), (errno.EIO, (500, "InternalFailure"))],
)
def test_a_disk_that_fails(
    front: Front, s3: Any, monkeypatch: pytest.MonkeyPatch, number: int, answered: tuple[int, str]
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number), "/a/path/of/the/machine")

    s3.create_bucket(Bucket="no-space")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        answer = requests.put(f"{front.url}/no-space/k", data=b"x", timeout=5)
    found = re.search(r"<Code>(\w+)<", answer.text)
    assert found
    assert (answer.status_code, found[1]) == answered
    assert "/a/path" not in answer.text
    assert requests.get(f"{front.url}/no-space/k", timeout=5).status_code == 404
    assert list((front.platform.buckets / ".uploads").glob("*")) == []
