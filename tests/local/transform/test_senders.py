"""The objects of a job sent to a real HTTP server, and what is said of those that fail."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.local.transform.model_servers import Server

from mlberth_local import log_files
from mlberth_local.inputs.channels import select
from mlberth_local.inputs.objects import FolderObjects
from mlberth_local.jobs.transform import form_of
from mlberth_local.transform.senders import Share, TransformSenders

Serve = Callable[..., Server]
JOIN = {"DataProcessing": {"JoinSource": "Input"}}


class Batch:
    """A job's request over a bucket of its own."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.bucket = folder / "bucket"
        self._folder = folder
        self._server = server
        self.bucket.mkdir()
        self.objects: Any = FolderObjects(folder)

    def put(self, **contents: bytes) -> None:
        """Make objects."""
        for name, content in contents.items():
            path = self.bucket / "in" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def run(self, given: dict[str, Any] | None = None, **members: Any) -> str:
        """Transform the objects; return why the job has failed, or nothing."""
        source = {"S3Uri": "s3://bucket/in/", "S3DataType": "S3Prefix"}
        request = {
            "TransformInput": {"DataSource": {"S3DataSource": source}, "SplitType": "Line", **(given or {})},
            "TransformOutput": {"S3OutputPath": "s3://bucket/out", "AssembleWith": "Line"},
            "ModelClientConfig": {"InvocationsMaxRetries": 0},
            **members,
        }
        items = select(request["TransformInput"]["DataSource"]["S3DataSource"], self.objects).items
        log, scratch = self._folder / "log.jsonl", self._folder / "scratch"
        share = Share((self._server.port,), ("",), items, scratch, log)
        reasons: list[str] = []
        done = threading.Event()

        def note(reason: str) -> None:
            reasons.append(reason)
            done.set()

        senders = TransformSenders(request, form_of(request), [share], self.objects, note)
        senders.start()
        assert done.wait(60), "the job has no end"
        [reason] = reasons
        return reason

    @property
    def results(self) -> dict[str, bytes]:
        """The results that were stored."""
        found = self.objects.list("s3://bucket/out/")
        return {one.key.removeprefix("out/"): one.path.read_bytes() for one in found}

    @property
    def log(self) -> list[str]:
        """The stream `data-log`, without its first line."""
        return [event.message for event in log_files.read_events(self._folder / "log.jsonl")][1:]


@pytest.fixture
def batch(tmp_path: Path, serve: Serve) -> Batch:
    """Return a job whose model answers with what it is sent."""
    return Batch(tmp_path, serve(lambda body: (200, body)))


PACKED = gzip.compress(bytes(range(256)) * 100)
DAMAGED = PACKED[:10] + b"\xff" * 50
"""With a block of a kind that there is not: it is zlib that says so."""


@pytest.mark.parametrize(
    "content",
    [DAMAGED, PACKED[:-4], PACKED[: len(PACKED) // 2], PACKED[:5], b"1,2\n", PACKED + b"rest"],
    ids=["damaged", "cut", "half", "cut head", "not packed", "more behind"],
)
@pytest.mark.parametrize("payload", [6, 0])
def test_damaged_gzip(batch: Batch, content: bytes, payload: int) -> None:
    """The object has no result and is named, whatever is wrong with it; the others have theirs."""
    batch.put(a=gzip.compress(b"1\n"), b=content, c=gzip.compress(b"2\n") + gzip.compress(b"3\n"))
    split = "None" if payload == 0 else "Line"
    reason = batch.run({"CompressionType": "Gzip", "SplitType": split}, MaxPayloadInMB=payload)
    assert reason.startswith("ClientError: bucket/in/b: ")
    assert batch.results == {"a.out": b"1\n", "c.out": b"2\n3\n"}
    assert [line.startswith("bucket/in/b: ") for line in batch.log] == [True]


def test_an_error_that_nobody_expects(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails its object as any other: no result is missing without a word."""
    batch.put(a=b"1\n", b=b"2\n")
    put = batch.objects.put

    def fail(address: str, source: Path) -> None:
        if address.endswith("/b.out"):
            raise LookupError("lost")
        put(address, source)

    monkeypatch.setattr(batch.objects, "put", fail)
    assert batch.run() == "ClientError: bucket/in/b: LookupError: lost"
    assert batch.results == {"a.out": b"1\n"}


def test_an_error_beside_the_objects(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends all the same, and says what has happened."""
    batch.put(a=b"1\n")
    monkeypatch.setattr("mlberth_local.transform.model_client.ModelClient.parameters", lambda *_: [].pop())
    assert batch.run() == "InternalServerError: IndexError: pop from empty list"


def test_large_cells(batch: Batch) -> None:
    """A cell may be as large as a payload."""
    cell = b"x" * 300_000
    batch.put(a=b"1,%b\n" % cell, b=b'2,"%b\n"\n' % cell)
    assert batch.run({"ContentType": "text/csv", "SplitType": "None"}, **JOIN) == ""
    assert batch.results["a.out"] == b"1,%b,1,%b\n" % (cell, cell)
    assert batch.results["b.out"] == b'2,"%b\n",2,"%b\n"\n' % (cell, cell)


def test_half_characters(batch: Batch) -> None:
    """JSON can escape what UTF-8 cannot write; it stays escaped."""
    batch.put(a=b'{"a":"\\ud800"}\n')
    assert batch.run({"ContentType": "application/jsonlines"}, **JOIN) == ""
    [line] = batch.results["a.out"].splitlines()
    assert json.loads(line) == {"a": "\ud800", "SageMakerOutput": {"a": "\ud800"}}


def test_names_that_look_like_those_of_results(batch: Batch) -> None:
    """Objects may be called as the files of others would be, and as long as a file can be."""
    long = "x" * 251
    batch.put(**{"a": b"1\n", "a.done": b"2\n", "a.out": b"3\n", long: b"4\n"})
    (batch.bucket / "in/b.out").mkdir()
    batch.put(**{"b": b"5\n", "b.out/c": b"6\n"})
    assert batch.run() == ""
    expected = {"a": b"1\n", "a.done": b"2\n", "a.out": b"3\n", long: b"4\n", "b": b"5\n", "b.out/c": b"6\n"}
    assert batch.results == {f"{name}.out": content for name, content in expected.items()}


def test_filters_without_a_limit_of_the_payload(batch: Batch) -> None:
    """They are not forgotten where an object would be sent in chunks."""
    batch.put(a=b"1,2\n3,4\n")
    given = {"ContentType": "text/csv", "SplitType": "None"}
    data = {"DataProcessing": {"InputFilter": "$[1]", "JoinSource": "Input"}}
    assert batch.run(given, MaxPayloadInMB=0, **data) == ""
    assert batch.results == {"a.out": b"1,2,2\n3,4,4\n"}


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (b"", b""),
        (b"1,2", b"2\n"),
        (b"1,2\r\n3,4\r\n", b"2\n4\n"),
        (b'\xef\xbb\xbf"a, b",2\n', b"2\n"),
    ],
    ids=["empty", "no line end", "crlf", "bom"],
)
@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_ends_and_beginnings_of_objects(batch: Batch, content: bytes, result: bytes, strategy: str) -> None:
    """An empty object has an empty result; the last line may have no end, and the first a mark before it."""
    batch.put(a=content)
    data = {"DataProcessing": {"InputFilter": "$[1]"}}
    assert batch.run({"ContentType": "text/csv"}, BatchStrategy=strategy, **data) == ""
    assert batch.results == {"a.out": result}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("TFRecord", b"\xff" * 12),
        ("TFRecord", b"\x01" + bytes(7)),
        ("RecordIO", b"\x0a\x23\xd7\xce\xff\xff\xff\x1f"),
        ("RecordIO", b"\x0a\x23\xd7\xce\x08\x00\x00\x00abc"),
        ("RecordIO", b"nothing of the kind"),
    ],
)
def test_damaged_records(batch: Batch, kind: str, content: bytes) -> None:
    """The object has no result, and is named; a size that cannot be takes no memory."""
    batch.put(a=content, b=b"")
    reason = batch.run({"SplitType": kind}, BatchStrategy="SingleRecord")
    assert reason.startswith("ClientError: bucket/in/a: ")
    assert batch.results == {"b.out": b""}
