"""Lines that may be lost, and what is said of those that were."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from mlberth.log_outlet import DROPS, Outlet, text_stream


def notice(lines: int, _why: str) -> bytes:
    """Say how many lines are missing."""
    return b"%d lost\n" % lines


def fill(writer: int) -> None:
    """Fill a pipe to its last byte, and leave it one that waits."""
    os.set_blocking(writer, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"." * size)
    os.set_blocking(writer, True)


def test_full_pipe() -> None:
    """Nobody waits for a reader who is not there, and the next line says what is missing."""
    reader, writer = os.pipe()
    before = DROPS.total
    outlet = Outlet(writer, notice)
    assert outlet.write(b"first\n")
    fill(writer)
    assert not outlet.write(b"one\n")
    assert not outlet.write(b"two\nthree\n", 2)
    assert DROPS.total == before + 3
    assert os.read(reader, 1 << 20).startswith(b"first\n.")
    assert outlet.write(b"last\n")
    assert os.read(reader, 1 << 20) == b"3 lost\nlast\n"
    assert os.get_blocking(writer)  # it is others' as well
    os.close(reader)
    os.close(writer)


def test_patience_is_for_once() -> None:
    """A line waits for a reader who may come; where none does, the lines after it do not wait again."""
    reader, writer = os.pipe()
    outlet = Outlet(writer, patience=0.2)
    fill(writer)
    began = time.monotonic()
    for _ in range(20):
        assert not outlet.write(b"x\n")
    assert 0.15 < time.monotonic() - began < 2
    os.close(reader)
    os.close(writer)


def test_long_line_is_whole_or_ended() -> None:
    """A line longer than the pipe is cut where nobody reads, and the next one does not continue it."""
    reader, writer = os.pipe()
    outlet = Outlet(writer, notice)
    assert not outlet.write(b"x" * (1 << 20) + b"\n")
    assert set(os.read(reader, 1 << 20)) == {ord("x")}
    assert outlet.write(b"y\n")
    assert os.read(reader, 1 << 20) == b"\n1 lost\ny\n"
    os.close(reader)
    os.close(writer)


def test_errors_are_no_ones() -> None:
    """A reader who has gone, a full disk and a closed descriptor cost the line alone."""
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    closed = os.dup(full)
    os.close(closed)
    for descriptor in (writer, full, closed):
        before = DROPS.total
        assert not Outlet(descriptor).write(b"x\n")
        assert DROPS.total == before + 1
    os.close(writer)
    os.close(full)


def test_other_file_behind_the_descriptor() -> None:
    """A descriptor that is led elsewhere leads there from the next line on."""
    (first, writer), (second, other) = os.pipe(), os.pipe()
    outlet = Outlet(writer)
    outlet.write(b"1\n")
    os.dup2(other, writer)
    outlet.write(b"2\n")
    assert (os.read(first, 10), os.read(second, 10)) == (b"1\n", b"2\n")
    for descriptor in (first, second, writer, other):
        os.close(descriptor)


def test_socket_and_file(tmp_path: Path) -> None:
    """Sockets do not wait either; a file is appended to where its own description stands."""
    one, other = socket.socketpair()
    outlet = Outlet(one.fileno(), notice)
    assert outlet.write(b"1\n")
    assert other.recv(10) == b"1\n"
    while outlet.write(b"x" * 10_000):
        pass
    with (tmp_path / "log").open("wb") as file:
        assert Outlet(file.fileno()).write(b"y" * 100_000 + b"\n")
        os.write(file.fileno(), b"z")
    assert (tmp_path / "log").read_bytes() == b"y" * 100_000 + b"\nz"
    one.close()
    other.close()


def test_stream_takes_every_text() -> None:
    """What is printed never raises, whatever characters it has and wherever it goes."""
    reader, writer = os.pipe()
    stream = text_stream(Outlet(writer), "ascii")
    print("é\ud800😀", file=stream, flush=True)
    assert os.read(reader, 100) == b"\\xe9\\ud800\\U0001f600\n"
    assert (stream.fileno(), stream.isatty(), stream.encoding) == (writer, False, "ascii")
    stream.buffer.write(b"raw")
    assert os.read(reader, 100) == b"raw"
    os.close(reader)
    print("nobody", file=stream, flush=True)
    os.close(writer)


def test_closed_streams_are_held() -> None:
    """A descriptor of a standard stream that is closed is not given to the next file that is opened."""
    code = (
        "import os; from mlberth.log_outlet import hold_standard_streams; os.close(0); os.close(2);"
        "hold_standard_streams(); file = os.open('/dev/null', 0); os._exit(file)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode > 2
