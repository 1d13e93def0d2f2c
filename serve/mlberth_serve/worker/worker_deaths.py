"""Ends of workers, told in the log with the request that each had, and with the reason if memory ran out.

gunicorn says only that a process has ended. For nginx, whose 502 is to say the same, a file in the state
folder tells for a while that the kernel has killed a worker for lack of memory.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from mlberth import logs
from mlberth.process.exhaustion import oom_kills
from mlberth_serve.shared.heartbeat import WorkerStatus

_KILLED = "SIGKILL"
_MAX_STACK_BYTES = 32 * 1024

log = logging.getLogger(__name__)


class StackFile:
    """Memory for the stack that a worker leaves when it is killed: made before the fork, read after the end.

    On standard error it would stand between records, in a form of its own.
    """

    def __init__(self) -> None:
        self._file = os.fdopen(os.memfd_create("stack"), "rb", buffering=0)

    @property
    def descriptor(self) -> int:
        """Where to write it."""
        return self._file.fileno()

    def read(self) -> str:
        """Return what is in it."""
        return os.pread(self.descriptor, _MAX_STACK_BYTES, 0).decode(errors="replace").strip()

    def close(self) -> None:
        """Give it back."""
        self._file.close()


class WorkerDeaths:
    """Tells of each; nginx reads `marker` for `seconds` after a death of which memory was the reason."""

    def __init__(
        self,
        marker: Path,
        seconds: float,
        *,
        count_kills: Callable[[], int | None] = oom_kills,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._marker = marker
        self._seconds = seconds
        self._count_kills = count_kills
        self._clock = clock
        self._known_kills = count_kills()
        self._marked_until = 0.0

    def note(self, pid: int, ended: str, status: WorkerStatus, stack: str = "") -> None:
        """Tell of a worker that has ended; `ended` is what `GunicornLogger.ended` has of it."""
        out_of_memory = self._is_out_of_memory(ended)
        self._mark(marked=out_of_memory)
        signal, _, code = ended.partition(":")
        text = f"worker {pid} ended with exit code {code}" if code else f"worker {pid} was killed by {signal}"
        fields = {}
        if status.request_began:
            text += f" with request {status.request_id or 'without an id'}"
            if (others := status.working.bit_count() - 1) > 0:
                text += f" and {others} more of a batch"
            if status.request_id:
                fields["request_id"] = status.request_id
        if out_of_memory:
            text += ": memory ran out, and the kernel took the process"
        elif signal == _KILLED and self._known_kills is None:
            text += ", perhaps since memory ran out"
        if stack:
            text += f"\n{stack}"
        log.log(
            logging.INFO if signal == "SIGTERM" else logging.ERROR, "%s", text, extra={logs.FIELDS: fields}
        )

    @property
    def is_marked(self) -> bool:
        """Whether there is a marker that `forget` removes."""
        return bool(self._marked_until)

    def forget(self) -> None:
        """Remove the marker once it is old; call it often."""
        if self._marked_until and self._clock() > self._marked_until:
            self._mark(marked=False)

    def _is_out_of_memory(self, ended: str) -> bool:
        """Return whether the kernel has counted a kill that no death before this one was."""
        kills = self._count_kills() if ended == _KILLED else None
        if kills is None or self._known_kills is None or kills <= self._known_kills:
            return False
        self._known_kills += 1  # not all at once: several may have been killed together
        return True

    def _mark(self, *, marked: bool) -> None:
        with contextlib.suppress(OSError):  # a disk that is full: the log has the reason
            if marked:
                self._marker.touch()
                self._marked_until = self._clock() + self._seconds
            elif self._marked_until:
                self._marked_until = 0.0
                self._marker.unlink(missing_ok=True)
