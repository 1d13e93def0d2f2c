"""What the feeder writes into pipes."""

from __future__ import annotations

import io
import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from mlberth.channels.recordio import read_records
from mlberth_local.inputs.channels import select
from mlberth_local.inputs.delivery import Channel, feed
from mlberth_local.inputs.feeder import write_epoch
from mlberth_local.inputs.objects import FolderObjects

HOSTS = 3
COUNT = 12


def epochs(folder: Path, source: dict[str, Any], count: int = 1, **members: Any) -> list[list[list[bytes]]]:
    """Return the records that each host gets in each epoch."""
    config = {"DataSource": {"S3DataSource": source}, "RecordWrapperType": "RecordIO", **members}
    channel = Channel("c", "Pipe", config)
    selection = select(source, FolderObjects(folder))
    found = []
    for epoch in range(count):
        hosts = []
        for host in range(HOSTS):
            part = (host, HOSTS) if channel.distribution == "ShardedByS3Key" else (0, 1)
            pipe = io.BytesIO()
            write_epoch(json.loads(json.dumps(feed(channel, selection, part, folder))), epoch, pipe)
            hosts.append(list(read_records(io.BytesIO(pipe.getvalue()))))
        found.append(hosts)
    return found


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Return a bucket with some objects."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:02}").write_text(f"object {number}")
    return folder


@pytest.mark.parametrize("names", [["label", "source-ref"], ["source-ref", "label"], ["label"]])
@pytest.mark.parametrize("seed", [None, 7])
def test_lines_are_shared_whole(bucket: Path, names: list[str], seed: int | None) -> None:
    """Each line of a sharded manifest is at one host with all its attributes, also if two name one object."""
    lines = [{"source-ref": f"s3://bucket/{number % 10:02}", "label": str(number)} for number in range(COUNT)]
    (bucket / "m").write_text("\r\n".join(map(json.dumps, lines)) + "\n\n")
    source = {
        "S3Uri": "s3://bucket/m",
        "S3DataType": "AugmentedManifestFile",
        "AttributeNames": names,
        "S3DataDistributionType": "ShardedByS3Key",
    }
    shuffle = None if seed is None else {"Seed": seed}
    [hosts] = epochs(bucket.parent, source, ShuffleConfig=shuffle)
    whole = [{"label": b"%d" % number, "source-ref": b"object %d" % (number % 10)} for number in range(COUNT)]
    expected = [[line[name] for name in names] for line in whole]
    size = len(names)
    records = [host[start : start + size] for host in hosts for start in range(0, len(host), size)]
    assert sorted(records) == sorted(expected)
    assert [len(host) // size for host in hosts] == [COUNT // HOSTS] * HOSTS


def test_references_of_one_line_stay_together(bucket: Path) -> None:
    """Two objects of a line are never at two hosts."""
    lines = [{"a-ref": "s3://bucket/00", "b-ref": f"s3://bucket/{number:02}"} for number in range(1, 4)]
    (bucket / "m").write_text("\n".join(map(json.dumps, lines)))
    source = {
        "S3Uri": "s3://bucket/m",
        "S3DataType": "AugmentedManifestFile",
        "AttributeNames": ["a-ref", "b-ref"],
        "S3DataDistributionType": "ShardedByS3Key",
    }
    [hosts] = epochs(bucket.parent, source)
    assert hosts == [[b"object 0", f"object {number}".encode()] for number in (1, 2, 3)]


@pytest.mark.parametrize("sharded", [True, False])
def test_shuffled_objects(bucket: Path, sharded: bool) -> None:
    """Each epoch has each object once, or once a host, in an order of its own; shares change with it."""
    distribution = "ShardedByS3Key" if sharded else "FullyReplicated"
    source = {"S3Uri": "s3://bucket/", "S3DataDistributionType": distribution}
    first, second = epochs(bucket.parent, source, 2, ShuffleConfig={"Seed": 7})
    expected = sorted(f"object {number}".encode() for number in range(COUNT))
    for hosts in (first, second):
        assert sorted(chain.from_iterable(hosts)) == (expected if sharded else sorted(expected * HOSTS))
    assert first != second
    assert (sorted(first[0]) != sorted(second[0])) == sharded


def test_a_line_whose_object_another_host_has(bucket: Path) -> None:
    """A feed with a part of the objects has a line wholly, or not at all."""
    lines = [{"label": number, "source-ref": f"s3://bucket/{number:02}"} for number in range(3)]
    (bucket / "m").write_text("\n".join(map(json.dumps, lines)))
    given = {
        "manifest": str(bucket / "m"),
        "attributes": ["label", "source-ref"],
        "files": {"s3://bucket/01": str(bucket / "01")},
        "seed": None,
        "records": False,
    }
    pipe = io.BytesIO()
    write_epoch(given, 0, pipe)
    assert pipe.getvalue() == b"1object 1"
