"""The daemon's side of the load generator: a child process that is told stages and answers with counts."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from mlberth_local.recommendations.measurement import Window

_LOOK_SECONDS = 0.1
_END_SECONDS = 5.0
_PIECE = 1 << 16
_MOST_WAITING = 10_000


class GeneratorError(Exception):
    """The load generator has ended by itself."""


class Generator:
    """A load generator. `look` is called ten times a second while it works, and may raise to end it."""

    def __init__(
        self,
        port: int,
        samples: Sequence[tuple[str, str]],
        *,
        accept: str | None,
        environ: Mapping[str, str],
        look: Callable[[], object],
    ) -> None:
        """Send to a port of this machine; a sample is a file's path and its media type."""
        self._spec = {"port": port, "samples": list(samples), "accept": accept}
        self._environ = dict(environ)
        self._look = look
        self._buffer = b""

    def __enter__(self) -> Generator:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlberth_local.recommendations"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environ,
        )
        self._write(self._spec)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(_END_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def probe(self) -> dict[str, Any]:
        """Send each sample once; returns `number` and `reason` of the first that is refused, or nothing."""
        return self._call("probe")

    def users(self, users: int, seconds: float) -> Window:
        """Let some users send for some seconds, each of them one request at a time."""
        return Window(**self._call("users", users, seconds))

    def paced(self, rate: float, seconds: float, most: int, most_waiting: int = _MOST_WAITING) -> Window:
        """Send so many requests a second, `most` at a time; latencies count from when each was due.

        It ends early if `most_waiting` requests are due and not answered.
        """
        return Window(**self._call("paced", rate, seconds, most, most_waiting))

    def _call(self, way: str, *arguments: float) -> dict[str, Any]:
        self._write([way, arguments])
        found: dict[str, Any] = json.loads(self._read_line())
        return found

    def _write(self, value: Any) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise GeneratorError("the load generator has ended") from error

    def _read_line(self) -> bytes:
        assert self._process.stdout
        source = self._process.stdout.fileno()
        poll = select.poll()  # select() knows no descriptors above 1024
        poll.register(source, select.POLLIN)
        while b"\n" not in self._buffer:
            self._look()
            if poll.poll(1000 * _LOOK_SECONDS):
                piece = os.read(source, _PIECE)
                if not piece:
                    raise GeneratorError("the load generator has ended")
                self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line
