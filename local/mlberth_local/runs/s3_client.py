"""Objects sent to the platform's S3 and fetched from it, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from mlberth.errors import Fault, PlatformError
from mlberth_local.inputs.objects import split

_SECONDS = 600.0
"""Between two signs of life; a large object is hashed and on disk before it is answered."""
_PIECE = 1 << 20
Progress = Callable[[int], None]
"""Is told the bytes that have gone over since the last call."""


class S3Client:
    """A client of the S3 of one daemon, which asks no signature of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket; one that is there is no error."""
        self._ask("PUT", f"/{bucket}", accepted=(200, 409))

    def put(self, address: str, source: Path, progress: Progress) -> None:
        """Store a file. Raises `PlatformError`."""
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._ask("PUT", _path(address), _pieces(file, progress), size)

    def list(self, address: str) -> Iterator[str]:
        """Yield the addresses that begin with one, sorted. Raises `PlatformError`."""
        bucket, prefix = split(address)
        token = ""
        while True:
            query = {"list-type": "2", "prefix": prefix}
            query |= {"continuation-token": token} if token else {}
            page = ET.fromstring(self._ask("GET", f"/{bucket}?{urlencode(query)}"))  # noqa: S314 - ours
            for element in page.iterfind("{*}Contents/{*}Key"):
                yield f"s3://{bucket}/{element.text}"
            token = page.findtext("{*}NextContinuationToken") or ""
            if not token:
                return

    def get(self, address: str, target: Path, progress: Progress) -> None:
        """Fetch an object into a file, whole or not at all. Raises `PlatformError`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name[:200]}.new")
        try:
            with new.open("wb") as file:

                def keep(answer: HTTPResponse) -> bytes:
                    while piece := answer.read(_PIECE):
                        file.write(piece)
                        progress(len(piece))
                    return b""

                self._ask("GET", _path(address), take=keep)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)

    def _ask(
        self,
        method: str,
        path: str,
        body: Iterator[bytes] | None = None,
        size: int = 0,
        *,
        accepted: tuple[int, ...] = (200,),
        take: Callable[[HTTPResponse], bytes] = HTTPResponse.read,
    ) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Length": str(size)})
            answer = connection.getresponse()
            if answer.status in accepted:
                return take(answer)
            found = answer.read()
        except (OSError, HTTPException) as error:
            raise PlatformError(Fault(f"{method} {path}", f"the platform's S3: {error}", "")) from error
        finally:
            connection.close()
        raise PlatformError(Fault(f"{method} {path}", _message(found) or f"status {answer.status}", ""))


def _path(address: str) -> str:
    bucket, key = split(address)
    return f"/{bucket}/{quote(key)}"


def _pieces(file: BinaryIO, progress: Progress) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
        progress(len(piece))


def _message(body: bytes) -> str:
    try:
        return ET.fromstring(body).findtext("Message") or ""  # noqa: S314 - our own server's
    except ET.ParseError:
        return ""
