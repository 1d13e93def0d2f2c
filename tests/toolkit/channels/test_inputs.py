"""Channels in all modes, with real files and real FIFOs."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import WriteConfig
from tests.toolkit.channels.pipes import pipe_mode

import mlberth.channels
from mlberth.channels import Input, write_example, write_records
from mlberth.contract.channels import Channel
from mlberth.contract.layout import Layout
from mlberth.errors import ContractError


def recordio(*records: bytes) -> bytes:
    """Return records as a file."""
    stream = io.BytesIO()
    write_records(stream, records)
    return stream.getvalue()


def folder(layout: Layout, **files: bytes) -> Path:
    """Make the channel `training` with files."""
    path = layout.channel("training")
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name.replace("__", ".")).write_bytes(content)
    return path


def training(layout: Layout, environ: dict[str, str] | None = None, **options: Any) -> Input:
    """Return the channel `training` of the job that is laid out there."""
    environ = {"SAGEMAKER_BASE_DIR": str(layout.base), **(environ or {})}
    return mlberth.channels.channel("training", environ=environ, **options)


@pytest.mark.parametrize("mode", ["File", "FastFile", "Pipe"])
def test_the_same_program_in_every_mode(write_config: WriteConfig, mode: str) -> None:
    """Records come in the same order, epoch by epoch."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": mode}})
    parts = [recordio(b"a", b"bb"), recordio(b"ccc")]
    epochs = [b"".join(parts)] * 3 if mode == "Pipe" else []
    if mode != "Pipe":
        folder(layout, first=parts[0], second=parts[1])
    with pipe_mode(layout.data, "training", epochs) as ends:
        channel = training(layout)
        for _ in range(3):
            assert list(channel.records()) == [b"a", b"bb", b"ccc"]
    assert ends == [None] * len(epochs)
    assert channel.epoch == 3


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_lines_examples_and_bytes(write_config: WriteConfig, mode: str) -> None:
    """Text is read by lines, recordio-protobuf as examples, and anything as bytes."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": mode}})
    text = "1,2\r\n\nä,3".encode()
    examples = recordio(write_example([1.5], 2.0), write_example([2.5], 1.0))
    epochs = [text, examples, b"any", gzip.compress(text), gzip.compress(examples)]
    channel = training(layout) if mode == "Pipe" else None
    with pipe_mode(layout.data, "training", epochs if mode == "Pipe" else []):

        def one(content: bytes) -> Input:
            if channel:
                return channel
            path = layout.channel("training")
            path.mkdir(exist_ok=True)
            (path / "file").write_bytes(content)
            return training(layout)

        def label(example: mlberth.channels.Example) -> tuple[list[float], float | None]:
            return list(example.values), example.label

        assert list(one(text).lines()) == ["1,2", "ä,3"]
        assert list(map(label, one(examples).examples())) == [([1.5], 2.0), ([2.5], 1.0)]
        with one(b"any").open() as stream:
            assert stream.read() == b"any"
        assert list(one(epochs[3]).lines()) == ["1,2", "ä,3"]
        assert len(list(one(epochs[4]).examples())) == 2


def test_an_epoch_that_is_left_early(write_config: WriteConfig) -> None:
    """Its writer is not kept waiting when the next one begins; a closed channel lets go of it at once."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": "Pipe"}})
    large = recordio(*[bytes(100_000)] * 50)
    with pipe_mode(layout.data, "training", [large, large, recordio(b"last")]) as ends:
        channel = training(layout)
        first = channel.records()
        assert len(next(first)) == 100_000
        assert len(next(channel.records())) == 100_000
        channel.close()
        assert list(channel.records()) == [b"last"]
    assert list(map(type, ends)) == [BrokenPipeError, BrokenPipeError, type(None)]


def test_an_epoch_of_ones_own(write_config: WriteConfig) -> None:
    """Its number may be given; the count goes on from there."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": "Pipe"}})
    os.mkfifo(layout.data / "training_0")
    (layout.data / "training_5").write_bytes(recordio(b"five"))  # a file does as well
    channel = training(layout)
    assert list(channel.records(5)) == [b"five"]
    assert channel.epoch == 6


def test_files_without_a_last_newline_are_not_joined(write_config: WriteConfig) -> None:
    """The last line of one file and the first of the next are two."""
    layout = write_config()
    folder(layout, a=b"1,2", b=b"3,4", __hidden=b"no", c__csv=b"5,6\n")
    (layout.channel("training") / "deep").mkdir()
    (layout.channel("training") / "deep/d").write_bytes(b"7,8")
    assert list(training(layout).lines()) == ["1,2", "3,4", "5,6", "7,8"]
    with training(layout).open() as stream:
        assert stream.read() == b"1,23,45,6\n7,8"


def test_a_wrapper_makes_each_file_a_record(write_config: WriteConfig) -> None:
    """RecordWrapperType RecordIO: Pipe mode sends each object in a frame, so in File mode a file is one."""
    config = {"training": {"TrainingInputMode": "File", "RecordWrapperType": "RecordIO"}}
    layout = write_config(inputdataconfig=config)
    zipped = gzip.compress(b"x")
    folder(layout, a=b"image 1", b=zipped)
    assert list(training(layout).records()) == [b"image 1", zipped]
    with pytest.raises(ContractError, match="a, byte 0: found more than 3 bytes"):
        list(training(layout).records(largest=3))


def test_gzip_of_the_job(write_config: WriteConfig) -> None:
    """Bytes are unpacked if CompressionType says so; broken gzip is named."""
    layout = write_config(inputdataconfig={"training": {"CompressionType": "Gzip"}})
    path = folder(layout, a=gzip.compress(b"1\n"), b=gzip.compress(b"2\n"))
    with training(layout).open() as stream:
        assert stream.read() == b"1\n2\n"
    (path / "b").write_bytes(gzip.compress(b"2\n")[:-1])
    for read in (lambda: training(layout).open().read(), lambda: list(training(layout).lines())):
        with pytest.raises(ContractError, match="b, byte 0: found broken gzip"):
            read()


@pytest.mark.parametrize(
    ("content", "read", "problem"),
    [
        (
            recordio(write_example([1]), b"\xff"),
            "examples",
            r"x, byte 28: found a protobuf number that breaks",
        ),
        (
            recordio(b"fine", b"\xff")[:-4],
            "records",
            r"x, byte 12: found the end 0 bytes into",
        ),
        (b"1,2\n\xff\xfe\n", "lines", r"x, byte 4: found bytes that are no UTF-8; .* Use open\(\)"),
        (b"1,2\n", "records", r"x, byte 0: found the bytes 312c320a; expected a RecordIO frame"),
    ],
)
def test_damage_is_named(write_config: WriteConfig, content: bytes, read: str, problem: str) -> None:
    """The file, and the byte in it."""
    layout = write_config()
    folder(layout, x=content)
    with pytest.raises(ContractError, match=problem):
        list(getattr(training(layout), read)())


@pytest.mark.parametrize("read", ["records", "lines", "open", "examples", "augmented"])
def test_an_empty_channel(write_config: WriteConfig, read: str) -> None:
    """One message that says what to look at."""
    layout = write_config()
    folder(layout)
    with pytest.raises(ContractError, match=r"ml/input/data/training: found no files; .* S3Uri") as caught:
        list(getattr(training(layout), read)())
    assert len(caught.value.faults) == 1


def test_an_empty_fifo(write_config: WriteConfig) -> None:
    """A channel that sends nothing is as empty as a folder."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": "Pipe"}})
    with (
        pipe_mode(layout.data, "training", [b""]),
        pytest.raises(ContractError, match=r"training_0: found no data; .* S3Uri"),
    ):
        list(training(layout).records())


def test_a_fifo_that_never_comes(write_config: WriteConfig) -> None:
    """The wait has an end, whether there is no FIFO or nobody who writes to it."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": "Pipe"}})
    channel = training(layout, wait=0.1)
    with pytest.raises(ContractError, match=r"training_0: found no FIFO within 0.1 s; .* as many epochs as"):
        list(channel.records())
    os.mkfifo(layout.data / "training_1")
    with pytest.raises(
        ContractError, match=r"training_1: found a FIFO that nobody has written to within 0.1"
    ):
        list(channel.records())
    (layout.data / "training_2").mkdir()
    with pytest.raises(ContractError, match=r"training_2: found a folder"):
        list(channel.records())


def test_a_channel_that_the_job_does_not_have(write_config: WriteConfig) -> None:
    """The message has those that there are."""
    layout = write_config()
    with pytest.raises(ContractError, match=r"found 'training'; expected one that the job has \(none\)"):
        training(layout)


RANKS: list[tuple[str, dict[str, str], dict[str, Any], list[str]]] = [
    ("FullyReplicated", {}, {"current_host": "b", "hosts": ["a", "b"]}, ["1", "3"]),
    ("FullyReplicated", {"RANK": "2", "WORLD_SIZE": "4"}, {}, ["2"]),
    ("ShardedByS3Key", {}, {"current_host": "b", "hosts": ["a", "b"]}, ["0", "1", "2", "3", "4"]),
    (
        "ShardedByS3Key",
        {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
        {},
        ["1", "3"],
    ),
]


@pytest.mark.parametrize(("distribution", "environ", "hosts", "expected"), RANKS)
def test_each_rank_has_its_part(
    write_config: WriteConfig,
    distribution: str,
    environ: dict[str, str],
    hosts: dict[str, Any],
    expected: list[str],
) -> None:
    """Files are divided among all ranks; where the platform has divided them, among those of the host."""
    config = {"training": {"S3DistributionType": distribution}}
    layout = write_config(inputdataconfig=config, resourceconfig=hosts)
    folder(layout, **{str(number): str(number).encode() for number in range(5)})
    assert list(training(layout, environ, sharded=True).lines()) == expected
    assert len(list(training(layout, environ).lines())) == 5


def test_a_rank_without_files(write_config: WriteConfig) -> None:
    """It is told how many there are, and how many ranks."""
    layout = write_config()
    folder(layout, only=b"1")
    with pytest.raises(ContractError, match=r"found 1 files for 2 ranks, none for rank 1; .* sharded=True"):
        list(training(layout, {"RANK": "1", "WORLD_SIZE": "2"}, sharded=True).lines())


def test_parts_of_a_fifo(write_config: WriteConfig) -> None:
    """Each host takes every n-th record of what all are sent; two processes cannot share one FIFO."""
    layout = write_config(
        inputdataconfig={"training": {"TrainingInputMode": "Pipe"}},
        resourceconfig={"current_host": "b", "hosts": ["a", "b"]},
    )
    with pipe_mode(layout.data, "training", [recordio(b"0", b"1", b"2", b"3")]):
        assert list(training(layout, sharded=True).records()) == [b"1", b"3"]
    ranks = {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    with pytest.raises(ContractError, match="found 2 processes on this host that read parts of a FIFO"):
        training(layout, ranks, sharded=True)


def test_seeds(write_config: WriteConfig) -> None:
    """Each epoch has its order, the same for the same seed; the job's ShuffleConfig is the default."""
    layout = write_config(inputdataconfig={"training": {"ShuffleConfig": {"Seed": 7}}})
    folder(layout, **{str(number): str(number).encode() for number in range(9)})
    channel, again, other = training(layout), training(layout, seed=7), training(layout, seed=8)
    epochs = [list(channel.lines()) for _ in range(2)]
    assert epochs == [list(again.lines()) for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert epochs[0] != list(other.lines())
    assert all(sorted(epoch) == [str(number) for number in range(9)] for epoch in epochs)
    parts = [training(layout, {"RANK": rank, "WORLD_SIZE": "2"}, sharded=True) for rank in "01"]
    assert sorted(line for part in parts for line in part.lines()) == sorted(epochs[0])


def test_augmented_manifests_in_file_mode(write_config: WriteConfig) -> None:
    """References become the paths of files that are there."""
    layout = write_config()
    lines = [
        '{"source-ref": "s3://bucket/images/1.png", "label": 1}',
        "",
        '{"source-ref": "s3://bucket/elsewhere/2.png", "label": 0}',
        '{"source-ref": "s3://bucket/../../../code/train.py", "label": 0}',
    ]
    path = folder(layout, train__manifest="\n".join(lines).encode(), notes__txt=b"not JSON")
    (path / "images").mkdir()
    (path / "images/1.png").write_bytes(b"1")
    found = list(training(layout).augmented())
    assert found[0] == {"source-ref": path / "images/1.png", "label": 1}
    assert [entry["source-ref"] for entry in found[1:]] == [
        "s3://bucket/elsewhere/2.png",
        "s3://bucket/../../../code/train.py",
    ]
    assert list(training(layout).augmented("label")) == [{"label": 1}, {"label": 0}, {"label": 0}]
    with pytest.raises(ContractError, match=r"train.manifest, entry 1: found no weight; expected the names"):
        list(training(layout).augmented("label", "weight"))


def test_augmented_manifests_in_pipe_mode(write_config: WriteConfig) -> None:
    """A record for each of the AttributeNames: bytes of an object, or a JSON value."""
    config = {"training": {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"}}
    layout = write_config(inputdataconfig=config)
    good = recordio(b"\x89PNG", b"1", b"GIF", b'{"class": "cat"}')
    with pipe_mode(layout.data, "training", [good, good + recordio(b"odd")]):
        channel = training(layout)
        assert list(channel.augmented("source-ref", "label")) == [
            {"source-ref": b"\x89PNG", "label": 1},
            {"source-ref": b"GIF", "label": {"class": "cat"}},
        ]
        with pytest.raises(
            ContractError, match=r"byte \d+: found 1 records at the end; expected one for each"
        ):
            list(channel.augmented("source-ref", "label"))
        with pytest.raises(ContractError, match=r"expected the job's AttributeNames"):
            list(channel.augmented())


def test_a_line_that_never_ends(write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not fill the memory."""
    monkeypatch.setattr("mlberth.channels.inputs.LARGEST_LINE", 1000)
    layout = write_config()
    folder(layout, a=b"1\n" + b"x" * 5000)
    with pytest.raises(ContractError, match="a, byte 2: found a line of more than 1000 bytes"):
        list(training(layout).lines())


READER = """
import re
from mlberth.channels import channel
count = sum(1 for _ in channel("training").records())
print(count, *re.findall("VmHWM:\\s*(\\d+)", open("/proc/self/status").read()))
"""


def test_memory_stays_bounded_in_pipe_mode(write_config: WriteConfig) -> None:
    """100 MB through a FIFO take a few MB of memory."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": "Pipe"}})
    reader = [sys.executable, "-c", READER]
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout.base)}
    peaks = []
    for number, size in enumerate((1, 1000)):
        content = recordio(*[bytes(100_000)] * size)
        with pipe_mode(layout.data, "training", [content]):
            done = subprocess.run(reader, env=environ, capture_output=True, text=True, check=True, timeout=60)
        count, peak = map(int, done.stdout.split())
        assert count == size, number
        peaks.append(peak)
        (layout.data / "training_0").unlink()
    assert peaks[1] - peaks[0] < 4096


def test_info_is_typed(write_config: WriteConfig) -> None:
    """What the job says of a channel, and what it leaves out."""
    entry = {
        "TrainingInputMode": "FastFile",
        "ContentType": "text/csv",
        "S3DistributionType": "ShardedByS3Key",
        "RecordWrapperType": "None",
        "CompressionType": None,
        "ShuffleConfig": {"Seed": 3},
    }
    layout = write_config(inputdataconfig={"training": entry})
    path = folder(layout)
    expected = Channel("training", path, "FastFile", "text/csv", "ShardedByS3Key", None, None, 3)
    assert training(layout).info == expected
    assert training(layout).files() == []


def test_wait_takes_a_clock() -> None:
    """The wait looks again until its time is up."""
    from mlberth.channels.fifo import open_fifo

    looks: list[float] = []
    clock: Callable[[], float] = lambda: float(len(looks))  # noqa: E731
    with pytest.raises(ContractError, match="no FIFO within 3 s"):
        open_fifo(Path("/nowhere/x_0"), 3, clock=clock, sleep=looks.append)
    assert len(looks) == 3
