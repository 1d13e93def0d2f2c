"""The tap: it reads what it is given in a process of its own, and never keeps the output waiting."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until

from mlberth.metrics.records import read_metrics
from mlberth_train.log import Log
from mlberth_train.metrics import tap as module
from mlberth_train.metrics.definitions import Definition
from mlberth_train.metrics.tap import Tap, start_tap

# The tests' own process may have threads; `train` has none yet where it starts the tap.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
EVIL = Definition("evil", r"(a+)+$")
LINE = b"a" * 60 + b"!\n"


def start(tmp_path: Path, *definitions: Definition) -> Tap:
    """Start a tap that looks for `m` as well."""
    return start_tap([*definitions, Definition("m", r"m=(\d+)")], tmp_path / "metrics.jsonl", {}, Log(100))


def values(tmp_path: Path) -> list[int]:
    """Return what was found."""
    return [record["m"] for record in read_metrics(tmp_path / "metrics.jsonl")]


def test_lines_of_two_streams_in_pieces(tmp_path: Path) -> None:
    """Each stream has its own lines, however they are cut; a bar's states are lines too."""
    tap = start(tmp_path)
    for stream, chunk in [(1, b"m=1\nm"), (2, b"x\rm=2\r"), (1, b"=3"), (2, b"m=4"), (1, b"\nm=5")]:
        tap.feed(stream, chunk)
    tap.finish(30)
    assert sorted(values(tmp_path)) == [1, 2, 3, 4, 5]
    assert tap.lost == 0
    assert not is_alive(tap.pid)


def test_nothing_to_read(tmp_path: Path) -> None:
    """A program may print nothing."""
    tap = start(tmp_path)
    tap.finish(30)
    assert not is_alive(tap.pid)
    assert values(tmp_path) == []


def test_feeding_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regex that backtracks keeps the reader; what does not fit is counted, and the rest is read."""
    monkeypatch.setattr(module, "MAX_WAITING", 1 << 20)
    tap = start(tmp_path, EVIL)
    began = time.monotonic()
    tap.feed(1, LINE)
    for _ in range(200):
        tap.feed(1, b"x" * 65000 + b"\n")
    assert time.monotonic() - began < 1
    assert tap.lost > 0
    wait_until(lambda: tap._size == 0)
    tap.feed(1, b"m=7\n")
    tap.finish(30)
    assert values(tmp_path) == [7]


def test_a_line_without_end_is_left_out(tmp_path: Path) -> None:
    """It does not fill the memory."""
    tap = start(tmp_path)
    for _ in range(100):
        tap.feed(1, b"x" * 10_000)
    tap.feed(1, b"\nm=1\n")
    tap.finish(30)
    assert tap.lost > 900_000
    assert values(tmp_path) == [1]


def test_a_reader_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """At the time that is given."""
    tap = start(tmp_path, *(Definition(f"evil{number}", r"(a+)+$") for number in range(30)))
    tap.feed(1, LINE)
    began = time.monotonic()
    tap.finish(0.1)
    assert time.monotonic() - began < 5
    wait_until(lambda: not is_alive(tap.pid))


def test_a_reader_that_died(tmp_path: Path) -> None:
    """The output goes on, and what nobody read is counted."""
    tap = start(tmp_path)
    os.kill(tap.pid, 9)
    wait_until(lambda: not is_alive(tap.pid))
    for _ in range(3):
        tap.feed(1, b"m=1\n" * 1000)
    tap.finish(30)
    assert tap.lost > 0
