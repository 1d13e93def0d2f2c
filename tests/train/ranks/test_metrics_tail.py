"""Metrics on their way to the leader: whole lines, each once."""

from __future__ import annotations

import json
from pathlib import Path

from mlberth_train.ranks.metrics_tail import MetricsTail, append


def test_whole_lines_are_read_once(tmp_path: Path) -> None:
    """A line that is still being written comes when it is whole; a file that is not there has none."""
    file = tmp_path / "metrics-b.jsonl"
    tail = MetricsTail(file)
    assert tail.read() == []
    file.write_text('{"loss": 1}\n{"loss"')
    assert tail.read() == ['{"loss": 1}']
    assert tail.read() == []
    with file.open("a") as more:
        more.write(': 2}\n{"loss": 3}\n')
    assert tail.read() == ['{"loss": 2}', '{"loss": 3}']
    assert tail.read() == []


def test_much_comes_in_parts(tmp_path: Path) -> None:
    """No message is larger than its bound; a line that is longer stays out, and those around it come."""
    file = tmp_path / "metrics-b.jsonl"
    lines = [json.dumps({"loss": number, "text": "x" * 1000}) for number in range(500)]
    long = json.dumps({"text": "y" * 300_000})
    file.write_text("\n".join([*lines[:250], long, *lines[250:]]) + "\n")
    tail, found, sizes = MetricsTail(file), [], []
    for _ in range(100):
        part = tail.read()
        sizes.append(sum(map(len, part)))
        found += part
    assert max(sizes) <= 128 * 1024
    kept = [line for line in found if len(line) < 2000 and line.startswith("{")]
    assert kept == lines


def test_the_leader_takes_in_records_alone(tmp_path: Path) -> None:
    """They stand behind its own; what is no record does not."""
    file = tmp_path / "data/metrics.jsonl"
    append(file, ['{"loss": 1, "host": "b"}', "[1]", "no", ""])
    append(file, ['{"loss": 2, "host": "b"}'])
    assert [json.loads(line)["loss"] for line in file.read_text().splitlines()] == [1, 2]


def test_a_disk_that_refuses_ends_nothing(tmp_path: Path) -> None:
    """A file that cannot be written costs the leader these records."""
    (tmp_path / "data").write_text("")
    append(tmp_path / "data/metrics.jsonl", ['{"loss": 1}'])
