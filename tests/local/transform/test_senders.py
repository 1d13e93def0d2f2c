"""The senders of a transform job."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.local.transform.model_servers import Server

from mlberth_local.inputs.channels import Item
from mlberth_local.inputs.objects import FolderObjects, Object
from mlberth_local.transform.senders import Share, TransformSenders
from mlberth_local.transform.transformation import Form

REQUEST = {
    "TransformInput": {"ContentType": "text/csv"},
    "TransformOutput": {"S3OutputPath": "s3://bucket/out"},
}


class FaultyObjects(FolderObjects):
    """Objects that cannot be put, for a reason that nobody has thought of."""

    def put(self, address: str, source: Path) -> None:
        """Fail."""
        raise AttributeError(f"{address} {source.name}")


@pytest.mark.parametrize("place", ["object", "host"])
def test_a_fault(serve: Callable[..., Server], tmp_path: Path, place: str) -> None:
    """It is the reason why the job fails: none waits for ever, and none is complete without its results."""
    source = tmp_path / "a"
    source.write_bytes(b"1")
    items = (Item("a", Object("bucket", "a", source, 1)),)
    log = tmp_path / "log"
    if place == "host":
        log.mkdir()
    share = Share((serve().port,), ("",), items, tmp_path / "scratch", log)
    ends: queue.SimpleQueue[str] = queue.SimpleQueue()
    senders = TransformSenders(REQUEST, Form(), [share], FaultyObjects(tmp_path), ends.put)
    senders.start()
    expected = "IsADirectoryError" if place == "host" else "AttributeError: s3://bucket/out/a.out a.out"
    assert ends.get(timeout=30).startswith(f"InternalServerError: {expected}")
    senders.stop()
