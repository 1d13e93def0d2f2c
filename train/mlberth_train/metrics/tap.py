"""The tap on a program's output: a process of its own that looks for metrics in it.

A process, since a regex that backtracks keeps the interpreter: in ours no signal would be passed on then. The
output never waits for it: what comes faster than it reads is left out, and counted.
"""

from __future__ import annotations

import _thread
import os
import signal
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from mlberth._typing import typing
from mlberth.process.kernel import die_with_parent
from mlberth_train.log import WARNING, Log
from mlberth_train.metrics.definitions import Definition

MAX_WAITING = 16 * 1024 * 1024
"""Bytes that may wait to be read."""
MAX_LINE = 65536
_FIRST_PROCESS = 1
_MANY = 65536


class Tap:
    """Takes the output in pieces; `finish` waits until all of it has been read."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self.lost = 0
        """How many bytes were not looked at."""
        self._pipe = pipe
        self._partial: dict[int, bytes] = {}
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._lock = _thread.allocate_lock()
        self._ready = _thread.allocate_lock()
        self._ready.acquire()
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._started = False

    def feed(self, stream: int, chunk: bytes) -> None:
        """Take a piece of one of the program's streams; never waits."""
        whole, end, rest = chunk.replace(b"\r", b"\n").rpartition(b"\n")
        before = self._partial.get(stream, b"")
        if not end and len(before) + len(rest) > MAX_LINE:
            self.lost += len(before) + len(rest)
            before, rest = b"", b""
        self._partial[stream] = rest if end else before + rest
        if end:
            self._put(before + whole + end)

    def finish(self, seconds: float) -> None:
        """Wait until everything has been read, at most so long; ends the process."""
        for rest in self._partial.values():
            self._put(rest + b"\n" if rest else b"")
        with self._lock:
            self._ended = True
            self._wake()
        deadline = time.monotonic() + seconds
        if not self._started or self._done.acquire(timeout=seconds):
            os.close(self._pipe)  # its end of file
        self.lost += self._size
        while time.monotonic() < deadline:
            if self._has_ended():
                return
            time.sleep(0.005)
        os.kill(self.pid, signal.SIGKILL)
        self._has_ended()

    def _has_ended(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:  # reaped with the orphans
            return True

    def _put(self, lines: bytes) -> None:
        with self._lock:
            if self._size + len(lines) > MAX_WAITING:
                self.lost += len(lines)
                return
            self._waiting.append(lines)
            self._size += len(lines)
            if not self._started:  # not before: a process that forks may have no other thread
                self._started = True
                _thread.start_new_thread(self._run, ())
            self._wake()

    def _wake(self) -> None:
        if self._ready.locked():
            self._ready.release()

    def _run(self) -> None:
        try:
            while True:
                self._ready.acquire()
                while self._waiting:
                    self._write(self._waiting[0])
                    with self._lock:
                        self._size -= len(self._waiting.popleft())
                if self._ended:
                    return
        except OSError:  # the reader has died
            return
        finally:
            self._done.release()

    def _write(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            view = view[os.write(self._pipe, view) :]


def start_tap(
    definitions: Iterable[Definition], target: Path, origin: typing.Mapping[str, typing.Any], log: Log
) -> Tap:
    """Start the process that looks for metrics, and appends them to `target`; we may have no thread yet."""
    parent = os.getpid()
    readable, writable = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(readable)
        return Tap(pid, writable)
    try:
        _become_reader(parent, readable)
        from mlberth_train.metrics.reading import read_output

        # A log of its own: the parent's has descriptors that are closed here.
        own = Log(log.level, as_json=log.as_json, secrets=log.secrets)
        read_output(0, definitions, target, origin, own)
    except BaseException as error:  # noqa: BLE001 - a report is all that can be made of it here
        Log(log.level, as_json=log.as_json).write(WARNING, f"Metrics are looked for no more: {error!r}")
    finally:
        os._exit(0)


def _become_reader(parent: int, readable: int) -> None:
    """Let go of what is the parent's: its signals, its group and its descriptors; end with it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    if parent != _FIRST_PROCESS:
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
    os.dup2(readable, 0)
    os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), _MANY))
