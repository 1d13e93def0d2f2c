"""The output of one container, followed into the file of its log stream."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from mlberth_local.files import write_atomically
from mlberth_local.log_files import LogWriter

_LAST_SECONDS = 10.0
"""For what is still on its way after a container has ended."""
_PART = 16 * 1024
"""The engine's largest message, in bytes; only a part of a longer line is as long and has no end."""

log = logging.getLogger(__name__)


class DockerLog:
    """Follows a container until it ends, in a thread.

    The engine gives the whole output from its beginning. The events that the file has of it are passed over,
    so that a later process goes on where this one was killed: no line twice, none missing. Those of earlier
    containers with the same stream, of another attempt of a job for example, do not count.
    """

    def __init__(self, container: Any, path: Path, on_end: Callable[[], None]) -> None:
        self._container = container
        self._on_end = on_end
        self._writer = LogWriter(path)
        self._path = path
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"log of {container.name}")
        self._thread.start()

    @property
    def is_following(self) -> bool:
        """Whether its end has not been reached."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Return when the end has been reached."""
        self._thread.join(_LAST_SECONDS)

    def _follow(self) -> None:
        try:
            self._copy(follow=True)
            self._on_end()
            # Docker 20.10 sometimes loses the last messages for whoever follows.
            self._copy(follow=False)
        except Exception:
            # The engine has gone away; whoever watches the run begins again.
            log.warning("lost the log of %s", self._container.name, exc_info=True)
        finally:
            self._writer.close()

    def _copy(self, *, follow: bool) -> None:
        before = lines_before(self._path, self._container.id, self._writer.lines)
        line, began, skip = bytearray(), 0, self._writer.lines - before
        output = self._container.logs(stream=True, follow=follow, timestamps=True)
        # Each piece is a message with a time before it: a line, or a part of a longer one.
        for piece in output:
            stamp, _, part = piece.partition(b" ")
            began = began if line else milliseconds(stamp.decode())
            line += part
            # The last line of a stream may have no end, and one of the other stream may follow it.
            if line.endswith(b"\n") or len(part) < _PART:
                events = self._writer.write([bytes(line).removesuffix(b"\n")], began, skip=skip)
                skip = max(0, skip - events)
                line.clear()
        output.close()


def lines_before(path: Path, container: str, lines: int) -> int:
    """Return how many events a stream's file had when a container's output began, `lines` if it begins now.

    It is noted beside the file before the first event: whoever was killed in between finds the same.
    """
    note = path.with_name(f"{path.name}.container")
    if note.exists():
        found = json.loads(note.read_bytes())
        if found["id"] == container:
            return int(found["before"])
    elif lines:  # a daemon that left no notes has begun to follow the container
        return 0
    write_atomically(note, json.dumps({"id": container, "before": lines}).encode())
    return lines


def milliseconds(stamp: str) -> int:
    """Return the milliseconds since the epoch of a time with nanoseconds, which Python 3.10 does not read.

    Docker leaves out the zeros at the end of a fraction.
    """
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp() * 1000) + int(fraction.ljust(3, "0")[:3])
