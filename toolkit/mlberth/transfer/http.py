"""One file over HTTP: GET and PUT, as presigned addresses and artifact stores take them."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlberth._typing import typing
from mlberth.errors import ContractError, Fault, PlatformError

SCHEMES = ("http://", "https://")
_SECONDS = 60
"""Without a byte; a transfer may take as long as it likes."""
_ATTEMPTS = 4
_PAUSE = 1.0
_CHUNK = 1024 * 1024
_SERVER_ERRORS = 500
_TOO_MANY = 429

Sleep = Callable[[float], None]


def shown(url: str) -> str:
    """Return an address as it may be printed: without its query, which signs it, and without a password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?…' if parts.query else ''}"


def file_of(url: str) -> str:
    """Return the last part of an address's path; "" without one."""
    return unquote(urlsplit(url).path).rpartition("/")[2]


def get(url: str, target: Path, *, where: str, sleep: Sleep = time.sleep) -> None:
    """Copy what an address answers into a file.

    Raises ContractError if the server refuses, PlatformError if it cannot be reached, each time of a few.
    """

    def attempt() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": "mlberth"})  # noqa: S310 - by the scheme
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer, target.open("wb") as file:  # noqa: S310
            length, written = answer.headers.get("Content-Length"), 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                written += len(chunk)
            if length and written != int(length):
                raise ConnectionError(f"{written} of {length} bytes arrived")

    _repeat(attempt, url, where, "a file that can be read", sleep)


def put(file: Path, url: str, *, where: str, sleep: Sleep = time.sleep) -> None:
    """Copy a file to an address; raises what `get` does."""

    def attempt() -> None:
        with file.open("rb") as body:
            headers = {"Content-Length": str(file.stat().st_size), "User-Agent": "mlberth"}
            # Not urllib's own type of a form.
            headers["Content-Type"] = "application/octet-stream"
            request = urllib.request.Request(url, data=body, headers=headers, method="PUT")  # noqa: S310
            urllib.request.urlopen(request, timeout=_SECONDS).close()  # noqa: S310 - by the scheme

    _repeat(attempt, url, where, "an address that takes a PUT", sleep)


def _repeat(attempt: Callable[[], object], url: str, where: str, expected: str, sleep: Sleep) -> None:
    error: typing.Any = None
    if not urlsplit(url).hostname:
        raise ContractError(Fault(where, f"{shown(url)!r}, without a host", "http(s)://HOST[:PORT]/PATH"))
    for number in range(_ATTEMPTS):
        if number:
            sleep(_PAUSE * 2 ** (number - 1))
        try:
            attempt()
        except urllib.error.HTTPError as answer:
            answer.close()
            error = answer
            if answer.code < _SERVER_ERRORS and answer.code != _TOO_MANY:
                found = f"{shown(url)!r}, which answers {answer.code} {answer.reason}"
                raise ContractError(Fault(where, found, expected)) from None
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as failure:
            error = failure
        except ValueError as failure:  # a port that is no number
            found = f"{shown(url)!r} ({failure})"
            raise ContractError(Fault(where, found, "http(s)://HOST[:PORT]/PATH")) from failure
        else:
            return
    reason = getattr(error, "reason", None) or error
    found = f"{shown(url)!r}, which failed {_ATTEMPTS} times ({reason})"
    raise PlatformError(Fault(where, found, expected)) from error
