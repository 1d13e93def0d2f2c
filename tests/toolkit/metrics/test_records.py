"""metrics.jsonl: a record a call, whole lines from any number of processes, and no harm if it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import WriteConfig

from mlberth.metrics.records import Recorder, numbers_of, read_metrics


def test_a_record(tmp_path: Path) -> None:
    """Flat, in UTF-8; a value that is not finite is null."""
    path = tmp_path / "deep/metrics.jsonl"
    recorder = Recorder(path, {"host": "algo-1", "rank": 0}, clock=lambda: 1.25)
    recorder.append({"loss": 0.3, "größe": float("nan")}, 7)
    recorder.append({"loss": 1})
    first, second = path.read_text("utf-8").splitlines()
    stamp = "1970-01-01T00:00:01.250Z"
    expected = {"step": 7, "loss": 0.3, "größe": None, "time": stamp, "host": "algo-1", "rank": 0}
    assert json.loads(first) == expected
    assert "größe" in first
    assert json.loads(second) == {"loss": 1, "time": stamp, "host": "algo-1", "rank": 0}
    assert [numbers_of(record) for record in read_metrics(path)] == [{"loss": 0.3}, {"loss": 1}]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """One warning, and the training goes on."""
    (tmp_path / "file").touch()
    warnings: list[str] = []
    recorder = Recorder(tmp_path / "file/metrics.jsonl", {}, warn=warnings.append)
    for _ in range(3):
        recorder.append({"loss": 1})
    assert len(warnings) == 1
    assert "metrics.jsonl cannot be written: File exists. Metrics are printed only." in warnings[0]


@pytest.mark.parametrize(
    ("hosts", "environ", "name", "rank"),
    [
        ({}, {}, "metrics.jsonl", 0),
        ({}, {"RANK": "3", "WORLD_SIZE": "4"}, "metrics.jsonl", 3),
        ({"current_host": "b", "hosts": ["a", "b"]}, {}, "metrics-b.jsonl", 1),
        ({"current_host": "a", "hosts": ["a", "b"]}, {}, "metrics.jsonl", 0),
    ],
)
def test_each_host_has_its_file(
    write_config: WriteConfig, hosts: dict[str, object], environ: dict[str, str], name: str, rank: int
) -> None:
    """The platform packs the folders of all hosts into one."""
    layout = write_config(resourceconfig=hosts)
    Recorder.from_environ({"SAGEMAKER_BASE_DIR": str(layout.base), **environ}).append({"loss": 1})
    (record,) = read_metrics(layout.output_data / name)
    assert record["rank"] == rank


def test_without_a_tree_nothing_is_written(tmp_path: Path) -> None:
    """On a laptop, outside of a job."""
    Recorder.from_environ({"SAGEMAKER_BASE_DIR": str(tmp_path / "ml")}).append({"loss": 1})
    assert list(tmp_path.iterdir()) == []


WRITER = "from mlberth.metrics import log\nfor step in range(200): log(loss=0.5, step=step)"


def test_processes_write_whole_lines(write_config: WriteConfig) -> None:
    """Ranks of one host share the file."""
    layout = write_config()
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout.base)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER],
            env={**environ, "RANK": rank, "WORLD_SIZE": "2"},
            stdout=subprocess.DEVNULL,
        )
        for rank in "01"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    lines = (layout.output_data / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert sorted((record["rank"], record["step"]) for record in records) == [
        (rank, step) for rank in range(2) for step in range(200)
    ]


def test_what_is_no_record_is_skipped(tmp_path: Path) -> None:
    """A line of somebody else's, or one cut by a full disk."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"loss": 1}\n[1]\n\xff\n{"loss": \n{"loss": "2", "x": true, "y": 1e999}\n{"loss": 3}')
    assert [numbers_of(record) for record in read_metrics(path)] == [{"loss": 1}, {}, {"loss": 3}]
    assert list(read_metrics(tmp_path / "none")) == []
