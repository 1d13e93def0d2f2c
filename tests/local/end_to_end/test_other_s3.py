"""Tests of `mlberth up --s3-endpoint`: the objects are on moto's server, and the platform's S3 forwards."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.test_job_commands import client
from tests.support import wait_until

LARGE = 20 * 1024 * 1024
PROGRAM = """\
import os, pathlib
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
read = [(path.name, path.read_text()) for path in sorted((base / "input/data/train").iterdir())]
print(read, flush=True)
(base / "model/weights").write_text(str(len(read)))"""


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """Run moto's server; returns its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def daemon(other: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon before that server."""
    daemon = Daemon(tmp_path_factory.mktemp("front"))
    keys = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "secret"}
    flags = ("--port", str(daemon.port), "--engine", "process", "--s3-endpoint", other)
    done = daemon.run("up", "--detach", *flags, environ=keys)
    assert done.returncode == 0, done.stderr
    assert f"S3 {other}" in daemon.run("status").stdout
    yield daemon
    daemon.run("down")


def direct(other: str) -> Any:
    """Return a client of the other S3 itself."""
    keys = {"aws_access_key_id": "other", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url=other, region_name="us-east-1", **keys)


@pytest.fixture
def bucket(other: str, daemon: Daemon, request: pytest.FixtureRequest) -> str:
    """Make a bucket through the platform; it is the other's."""
    name = request.node.name.replace("_", "-")[:60].strip("-")
    client(daemon, "s3").create_bucket(Bucket=name)
    assert name in [one["Name"] for one in direct(other).list_buckets()["Buckets"]]
    return str(name)


def test_objects_go_through_to_the_other(daemon: Daemon, other: str, bucket: str) -> None:
    """Small and in parts, with odd keys, ranges, lists and presigned addresses; nothing stays in the home."""
    s3, content = client(daemon, "s3"), os.urandom(LARGE)
    key = "a b/ü+%/x"
    s3.put_object(
        Bucket=bucket, Key=key, Body=b"small", ExpectedBucketOwner="000000000000", Metadata={"n": "1"}
    )
    s3.upload_fileobj(io.BytesIO(content), bucket, "large")
    far = direct(other)
    found = far.get_object(Bucket=bucket, Key=key)
    assert (found["Body"].read(), found["Metadata"]) == (b"small", {"n": "1"})
    assert far.head_object(Bucket=bucket, Key="large")["ContentLength"] == LARGE
    got = io.BytesIO()
    s3.download_fileobj(bucket, "large", got)
    assert hashlib.md5(got.getvalue()).digest() == hashlib.md5(content).digest()
    assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-2")["Body"].read() == b"ma"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key, "large"]
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    with urlopen(url, timeout=30) as answer:
        assert answer.read() == b"small"
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket=bucket, Key=key)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=bucket, Key="large", ExpectedBucketOwner="111111111111")
    assert not list((daemon.home / "s3").glob("[a-z]*"))


def test_a_body_in_chunks_arrives_as_its_content(daemon: Daemon, other: str, bucket: str) -> None:
    """As the SDKs of other languages send it: the encoding ends here, its trailer with it."""
    connection = HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    headers = {
        "Content-Encoding": "gzip,aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "10",
        "x-amz-sdk-checksum-algorithm": "CRC32",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    body = b"4\r\nabcd\r\n6\r\nefghij\r\n0\r\nx-amz-checksum-crc32:OYGoyA==\r\n\r\n"
    connection.request("PUT", f"/{bucket}/chunked", body, headers)
    assert connection.getresponse().status == 200
    connection.close()
    found = direct(other).get_object(Bucket=bucket, Key="chunked")
    assert (found["Body"].read(), found["ContentEncoding"]) == (b"abcdefghij", "gzip")


def test_a_job_reads_and_writes_the_other(daemon: Daemon, other: str, bucket: str) -> None:
    """Its channel, the program's code and its model; an object that changes is fetched again."""
    far, sagemaker = direct(other), client(daemon, "sagemaker")
    for number in range(3):
        far.put_object(Bucket=bucket, Key=f"train/{number}", Body=str(number).encode())
    for name, last in (("one", "2"), ("two", "changed")):
        far.put_object(Bucket=bucket, Key="train/2", Body=last.encode())
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train"}
        sagemaker.create_training_job(
            TrainingJobName=f"far-{name}",
            AlgorithmSpecification={
                "TrainingImage": "image",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "-c", "; ".join(PROGRAM.split("\n"))],
            },
            RoleArn="arn:aws:iam::000000000000:role/mlberth",
            InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        wait_until(lambda name=name: status(sagemaker, f"far-{name}") == "Completed")  # type: ignore[misc]
        assert f"('2', '{last}')" in daemon.run("logs", f"far-{name}").stdout
        body = far.get_object(Bucket=bucket, Key=f"out/far-{name}/output/model.tar.gz")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            assert tar.getnames() == ["weights"]
    assert len(list((daemon.home / "s3-cache").iterdir())) == 4


def test_a_run_from_a_folder_works_likewise(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os; open(os.environ['SM_MODEL_DIR'] + '/w', 'w').close()")
    out = str(tmp_path / "out")
    done = daemon.run("run", "train", str(tmp_path), "--output", out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out/model.tar.gz").exists()


def status(sagemaker: Any, name: str) -> str:
    """Return a job's status; a failure ends the test."""
    found = sagemaker.describe_training_job(TrainingJobName=name)
    assert found["TrainingJobStatus"] != "Failed", found["FailureReason"]
    return str(found["TrainingJobStatus"])


def test_another_that_is_away_is_said(tmp_path: Path) -> None:
    """Requests get 503, and a job says why it has no input; an address that is none is refused at once."""
    daemon = Daemon(tmp_path)
    wrong = daemon.run("up", "--s3-endpoint", "s3.example.com")
    assert (wrong.returncode, "--s3-endpoint: found s3.example.com; expected" in wrong.stderr) == (78, True)
    keys = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "secret"}
    flags = ("--port", str(daemon.port), "--engine", "process", "--s3-endpoint", "http://127.0.0.1:1")
    try:
        assert daemon.run("up", "--detach", *flags, environ=keys).returncode == 0
        done = daemon.run("run", "train", "--image", "x", "--input", "train=s3://b/k")
        assert (done.returncode, "http://127.0.0.1:1, does not answer" in done.stderr) == (70, True)
    finally:
        daemon.run("down")
