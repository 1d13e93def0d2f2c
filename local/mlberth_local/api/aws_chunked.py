"""The encoding aws-chunked, inside of HTTP's own: `SIZE;chunk-signature=…`, and trailers with a checksum.

The signatures of single chunks are not checked; the checksum is.
"""

from __future__ import annotations

from mlberth_local.errors import ServiceError

_LONGEST_LINE = 16 * 1024


class ChunkDecoder:
    """Takes encoded pieces of any size, and gives what they carry."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._left = 0
        """Bytes of the current chunk that are still to come, its CRLF included."""
        self._in_trailers = False
        self.trailers: dict[str, str] = {}

    def feed(self, piece: bytes) -> bytes:
        """Return the content in a piece. Raises IncompleteBody for what is not in the encoding."""
        self._pending += piece
        content = bytearray()
        while self._pending:
            if self._left > 2:
                taken = self._pending[: self._left - 2]
                content += taken
                del self._pending[: len(taken)]
                self._left -= len(taken)
            elif self._left:
                taken = self._pending[: self._left]
                del self._pending[: len(taken)]
                self._left -= len(taken)
            elif not self._line():
                break
        return bytes(content)

    def _line(self) -> bool:
        """Read a chunk's size, or a trailer; returns whether there was a whole line."""
        line, end, rest = self._pending.partition(b"\r\n")
        if not end:
            if len(line) > _LONGEST_LINE:
                raise _broken()
            return False
        self._pending = rest
        if self._in_trailers:
            name, _, value = line.decode(errors="replace").partition(":")
            if value:
                self.trailers[name.strip().lower()] = value.strip()
            return True
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError as error:
            raise _broken() from error
        if size < 0:
            raise _broken()
        self._in_trailers = size == 0
        self._left = size + 2 if size else 0
        return True

    def finish(self) -> None:
        """Raise IncompleteBody if the last chunk has not come."""
        if self._left or not self._in_trailers:
            raise _broken()


def _broken() -> ServiceError:
    return ServiceError(
        "IncompleteBody", "The body is not in the encoding aws-chunked, or it ended too early."
    )
