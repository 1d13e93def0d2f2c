"""A body written to a file while it comes in, in constant memory, with its checksums."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import AsyncIterator, Mapping

from mlberth_local.api.aws_chunked import ChunkDecoder
from mlberth_local.bodies import Place, ReceivedBody
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import whole_number
from mlberth_local.s3 import checksums
from mlberth_local.s3.checksums import Hash

PIECE = 1 << 20
"""How much is hashed and written at a time, in bytes."""


async def spool(
    place: Place, pieces: AsyncIterator[bytes], headers: Mapping[str, str], sha256: str | None
) -> ReceivedBody:
    """Write a body to its place; a file of its own is on disk when this returns, and gone if it raises.

    `sha256` is the hash that the signature has of the body, in hexadecimal, or None. Raises `ServiceError`
    for a checksum that is not the body's, or a body that ended too early.
    """
    writer = _Writer(place, headers, sha256)
    pending: list[bytes] = []
    size = 0
    busy: asyncio.Future[None] | None = None
    loop = asyncio.get_running_loop()
    try:
        async for piece in pieces:
            pending.append(piece)
            size += len(piece)
            if size >= PIECE:
                # The next piece comes in while this one is hashed and written.
                if busy:
                    await busy
                busy = loop.run_in_executor(None, writer.write, pending)
                pending, size = [], 0
        if busy:
            await busy
            busy = None
        return await loop.run_in_executor(None, writer.finish, pending)
    except BaseException:
        if busy:
            await asyncio.wait([busy])
        if place.start is None:
            place.path.unlink(missing_ok=True)
        raise
    finally:
        writer.close()


class _Writer:
    """Hashes and writes; used by one thread at a time."""

    def __init__(self, place: Place, headers: Mapping[str, str], sha256: str | None) -> None:
        self._place = place
        self._headers = headers
        self._sha256 = sha256
        self._size = 0
        self._length = whole_number(headers.get("x-amz-decoded-content-length", ""))
        self._expected = _expected(headers)
        trailer = headers.get("x-amz-trailer", "").lower().removeprefix("x-amz-checksum-").upper()
        wanted = {*self._expected, trailer, headers.get("x-amz-sdk-checksum-algorithm", "").upper()}
        found = ((name, checksums.hash_of(name)) for name in wanted | ({"SHA256"} if sha256 else set()))
        self._hashes: dict[str, Hash] = {name: one for name, one in found if one is not None}
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._decoder = ChunkDecoder() if _is_chunked(headers) else None
        alone = os.O_EXCL if place.start is None else 0
        self._file = os.open(place.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | alone, 0o644)
        os.lseek(self._file, place.start or 0, os.SEEK_SET)

    def write(self, pieces: list[bytes]) -> None:
        """Take the next bytes of the body, as they came: joining them would cost as much as writing them."""
        for piece in pieces:
            self._write(self._decoder.feed(piece) if self._decoder else piece)

    def _write(self, content: bytes) -> None:
        self._size += len(content)
        if self._length is not None and self._size > self._length:
            raise self._wrong_length()  # before it is written over what comes after it
        self._md5.update(content)
        for one in self._hashes.values():
            one.update(content)
        left = memoryview(content)
        while left:
            left = left[os.write(self._file, left) :]

    def finish(self, pieces: list[bytes]) -> ReceivedBody:
        """Take the last bytes, check what the client said of the body, and wait for the disk."""
        self.write(pieces)
        if self._decoder:
            self._decoder.finish()
            self._expected |= _expected(self._decoder.trailers)
        if self._length is not None and self._size != self._length:
            raise self._wrong_length()
        sums = {name: base64.b64encode(one.digest()).decode() for name, one in self._hashes.items()}
        for name, value in self._expected.items():
            if name in sums and sums[name] != value:
                raise checksums.mismatch(name)
        md5 = self._md5.digest()
        given = self._headers.get("Content-MD5")
        if given is not None and given != base64.b64encode(md5).decode():
            raise checksums.mismatch("MD5")
        if self._sha256 and base64.b64decode(sums["SHA256"]).hex() != self._sha256:
            text = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise ServiceError("XAmzContentSHA256Mismatch", text)
        if self._place.start is None:
            os.fsync(self._file)
        kept = {name: value for name, value in {**self._expected, **sums}.items() if name in self._kept()}
        return ReceivedBody(self._place, self._size, md5.hex(), kept)

    def _wrong_length(self) -> ServiceError:
        text = f"You did not provide the number of bytes of the header: {self._length}, not {self._size}."
        return ServiceError("IncompleteBody", text)

    def _kept(self) -> set[str]:
        """Return the checksums that stay with the object: not that of the signature alone."""
        return {*self._expected, self._headers.get("x-amz-sdk-checksum-algorithm", "").upper()}

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _expected(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums that headers, or trailers, name: algorithm to base64."""
    named = {name: headers.get(f"x-amz-checksum-{name.lower()}") for name in checksums.ALGORITHMS}
    return {name: value for name, value in named.items() if value}


def _is_chunked(headers: Mapping[str, str]) -> bool:
    sha256 = headers.get("x-amz-content-sha256", "")
    return "aws-chunked" in headers.get("Content-Encoding", "") or sha256.startswith("STREAMING-")
