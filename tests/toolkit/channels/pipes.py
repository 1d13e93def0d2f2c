"""A platform in Pipe mode: a thread that makes the FIFOs of a channel and writes an epoch into each."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def pipe_mode(folder: Path, name: str, epochs: Sequence[bytes]) -> Iterator[list[object]]:
    """Send epochs as the platform does; yields how each ended: None, or the writer's error."""
    ends: list[object] = []

    def send() -> None:
        for number, content in enumerate(epochs):
            path = folder / f"{name}_{number}"
            os.mkfifo(path)
            try:
                with path.open("wb") as file:
                    file.write(content)
            except BrokenPipeError as error:
                ends.append(error)
            else:
                ends.append(None)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield ends
    thread.join(timeout=30)
    assert not thread.is_alive()
