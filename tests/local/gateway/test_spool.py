"""The spool: files that are whole when they have their names."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from tests.support import wait_until

from mlberth_local.gateway.spool import PART, Spool, SpoolLimits, hourly_name


def contents(folder: Path) -> list[bytes]:
    """Return the contents of the files that are whole."""
    return sorted(path.read_bytes() for path in folder.rglob("*.jsonl"))


def test_lines_of_a_folder_make_a_file(tmp_path: Path) -> None:
    """In their order; a new file begins when one is large enough, and the last ones end with the spool."""
    spool = Spool(tmp_path, hourly_name, SpoolLimits(file_bytes=4))
    for line in (b"a1\n", b"a2\n", b"a3\n"):
        assert spool.offer("a", partial(bytes, line), 3)
    assert spool.offer("b", lambda: b"b1\n", 3)
    spool.close()
    assert contents(tmp_path / "a") == [b"a1\na2\n", b"a3\n"]
    assert contents(tmp_path / "b") == [b"b1\n"]
    assert list(tmp_path.rglob(f"*{PART}")) == []
    assert not spool.offer("a", lambda: b"late", 4)


def test_a_file_is_whole_after_its_time(tmp_path: Path) -> None:
    """Also if no further line comes."""
    spool = Spool(tmp_path, hourly_name, SpoolLimits(file_seconds=0.0))
    spool.offer("a", lambda: b"line\n", 5)
    wait_until(lambda: contents(tmp_path) == [b"line\n"], timeout=10)
    spool.close()


def test_more_than_there_is_room_for_is_dropped(tmp_path: Path) -> None:
    """Who offers a line never waits, however slow the disk is."""
    spool = Spool(tmp_path, hourly_name, SpoolLimits(waiting_bytes=10))
    slow, begun = threading.Event(), threading.Event()

    def wait() -> bytes:
        begun.set()
        assert slow.wait(30)
        return b"slow\n"

    spool.offer("a", wait, 5)
    assert begun.wait(30)
    assert [spool.offer("a", lambda: b"12345", 5) for _ in range(3)] == [True, True, False]
    slow.set()
    spool.close()
    assert (spool.dropped, contents(tmp_path)) == (1, [b"slow\n1234512345"])


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    """As many as there is room for, if nobody takes them away."""
    spool = Spool(tmp_path, lambda now: f"{now:.0f}.jsonl", SpoolLimits(file_bytes=1, kept_bytes=5))
    spool.clock = iter(range(1000, 2000)).__next__
    for number in range(4):
        spool.offer("a", partial(bytes, b"%d\n" % number), 2)
    spool.close()
    assert contents(tmp_path) == [b"2\n", b"3\n"]


def test_what_a_killed_process_has_left(tmp_path: Path) -> None:
    """It gets its name with the next line."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / f"left.jsonl{PART}").write_bytes(b"half")
    spool = Spool(tmp_path, hourly_name)
    spool.offer("a", lambda: b"new\n", 4)
    spool.close()
    assert contents(tmp_path) == [b"half", b"new\n"]
