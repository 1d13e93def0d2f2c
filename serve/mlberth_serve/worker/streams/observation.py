"""Streams as they are counted: when the first piece was there, and how many bytes there were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mlberth_serve.app.streamed_response import End


class StreamObserver:
    """Knows when a stream's first piece was there, until it ends."""

    def __init__(
        self, clock: Callable[[], float], end: Callable[[End, str, int, float | None], None]
    ) -> None:
        self._clock = clock
        self._end = end
        self._first: float | None = None

    def begin(self) -> None:
        """Note the time; the page of counters is the worker's own thread's."""
        self._first = self._clock()

    def end(self, end: End, status_line: str, size: int) -> None:
        """Count the stream."""
        self._end(end, status_line, size, self._first)


class CountedBody:
    """A WSGI body that is made while it is sent: the request ends with it, or when the server closes it."""

    def __init__(self, body: Iterable[bytes], end: Callable[[int], None]) -> None:
        self._body = body
        self._end = end
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._size += len(piece)
            yield piece

    def close(self) -> None:
        """Count the request, as WSGI servers call this exactly once."""
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._end(self._size)
