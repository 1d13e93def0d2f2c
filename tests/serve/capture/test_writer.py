"""The writer of captured requests, and its files."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import wait_until

from mlberth.captured_request import Exchange, Form
from mlberth_serve.capture.files import OpenFile, published, recover
from mlberth_serve.capture.writer import Writer

FORM = Form(has_input=True, has_output=False, csv_types=frozenset({"text/csv"}), json_types=frozenset())
HOUR = 3600.0
LINE = b'{"captureData": {"endpointInput": {"data": "%d"}}}\n'


class Counts:
    """The counts of a writer."""

    written = dropped = 0

    def __call__(self, written: int, dropped: int) -> None:
        """Add to both."""
        self.written += written
        self.dropped += dropped


class Store:
    """A store that can be away."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.is_away = False

    def put(self, file: Path, name: str) -> None:
        """Keep a file."""
        if self.is_away:
            raise OSError("the store is away")
        self.files[name] = file.read_bytes()


def exchange(body: str, time: float = 0.0) -> Exchange:
    """Return an exchange of CSV."""
    return Exchange(body.encode(), "text/csv", b"", "", "", "", time)


def bodies_of(text: bytes) -> list[str]:
    """Return the captured bodies of a file."""
    return [json.loads(line)["captureData"]["endpointInput"]["data"] for line in text.splitlines()]


def bodies(folder: Path) -> list[str]:
    """Return the captured bodies of the whole files, in order."""
    return [body for path in published(folder) for body in bodies_of(path.read_bytes())]


@pytest.fixture
def counts() -> Counts:
    """Return counts of nothing."""
    return Counts()


@pytest.fixture
def writer(tmp_path: Path, counts: Counts) -> Iterator[Writer]:
    """Start a writer with files of a minute."""
    writer = Writer(tmp_path, FORM, file_seconds=60, file_bytes=10**6, count=counts, clock=lambda: 0.0)
    writer.start()
    yield writer
    writer.close()


def test_file_is_seen_when_it_is_whole(writer: Writer, tmp_path: Path, counts: Counts) -> None:
    """Until then it is hidden; in the end each line is there once, below its hour."""
    for number in range(5):
        writer.offer(exchange(str(number)))
    wait_until(lambda: counts.written == 5)
    assert published(tmp_path) == []
    writer.close()
    (path,) = published(tmp_path)
    assert path.parent == tmp_path / "1970/01/01/00"
    assert bodies(tmp_path) == ["0", "1", "2", "3", "4"]
    assert not [*tmp_path.rglob(".*")]


def test_another_hour_and_a_full_file_begin_anew(tmp_path: Path, counts: Counts) -> None:
    """Files are as large as was asked for, and none has two hours."""
    writer = Writer(tmp_path, FORM, file_seconds=HOUR, file_bytes=300, count=counts, clock=lambda: 0.0)
    writer.start()
    for number in range(4):
        writer.offer(exchange(str(number), time=1.0))
    writer.offer(exchange("4", time=HOUR))
    writer.close()
    folders = [str(path.parent.relative_to(tmp_path)) for path in published(tmp_path)]
    assert folders == ["1970/01/01/00", "1970/01/01/00", "1970/01/01/01"]
    assert sorted(bodies(tmp_path)) == ["0", "1", "2", "3", "4"]


def test_file_is_finished_when_its_time_is_over(tmp_path: Path, counts: Counts) -> None:
    """Without a further request, too."""
    now = [0.0]
    writer = Writer(tmp_path, FORM, file_seconds=0.05, file_bytes=10**6, count=counts, clock=lambda: now[0])
    writer.start()
    writer.offer(exchange("1"))
    wait_until(lambda: counts.written == 1)
    now[0] = 1.0
    wait_until(lambda: bodies(tmp_path) == ["1"])
    writer.close()


def test_a_killed_workers_lines_are_taken_over(tmp_path: Path, counts: Counts) -> None:
    """Its whole lines are; the torn last one is not. A living writer's file is left alone."""
    child = os.fork()
    if not child:
        file = OpenFile(tmp_path, 0.0)
        file.add(LINE % 1)
        file.add(LINE[:20])
        os._exit(0)
    os.waitpid(child, 0)
    living = OpenFile(tmp_path, 0.0)
    living.add(LINE % 2)
    writer = Writer(tmp_path, FORM, file_seconds=60, file_bytes=10, count=counts)
    writer.start()
    wait_until(lambda: bodies(tmp_path) == ["1"])
    writer.close()
    assert living.publish()
    assert sorted(bodies(tmp_path)) == ["1", "2"]
    assert [*recover(tmp_path)] == []


def test_too_much_at_once_is_dropped_and_counted(tmp_path: Path, counts: Counts) -> None:
    """The bytes that wait are bounded; nothing blocks."""
    writer = Writer(tmp_path, FORM, file_seconds=60, file_bytes=10**9, count=counts)
    for _ in range(5):  # before it has started
        writer.offer(exchange("1" * 8 * 1024 * 1024))
    assert counts.dropped == 1
    writer.start()
    writer.close()
    assert (counts.written, counts.dropped) == (4, 1)


def test_full_disk_costs_the_line_alone(
    tmp_path: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is half written is taken back; later ones are written when there is room again."""
    is_full = threading.Event()
    write = os.write

    def write_some(descriptor: int, data: bytes) -> int:
        if is_full.is_set() and len(data) < 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:-40] if is_full.is_set() else data)

    monkeypatch.setattr(os, "write", write_some)
    writer = Writer(tmp_path, FORM, file_seconds=60, file_bytes=10**6, count=counts, clock=lambda: 0.0)
    writer.start()
    writer.offer(exchange("1"))
    wait_until(lambda: counts.written == 1)
    is_full.set()
    writer.offer(exchange("2"))
    wait_until(lambda: counts.dropped == 1)
    is_full.clear()
    writer.offer(exchange("3"))
    writer.close()
    assert bodies(tmp_path) == ["1", "3"]


def test_files_are_sent_and_wait_for_a_store_that_is_away(tmp_path: Path, counts: Counts) -> None:
    """A file that the store does not take is kept, sent by the next writer, and then gone from here."""
    store = Store()
    store.is_away = True
    for body in ("1", "2"):
        writer = Writer(tmp_path, FORM, file_seconds=60, file_bytes=10**6, store=store, count=counts)
        writer.start()
        writer.offer(exchange(body))
        writer.close()
        assert bodies(tmp_path) == (["1"] if store.is_away else [])
        store.is_away = False
    assert all(name.startswith("1970/01/01/00/") for name in store.files)
    assert sorted(body for text in store.files.values() for body in bodies_of(text)) == ["1", "2"]
