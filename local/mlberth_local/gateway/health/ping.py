"""One health check of one server. Source: `/ping` of the platform's container contract."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

_MOST = 1 << 16
"""Bytes of a response that are read; the first line is all that counts."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a server has not passed."""

    text: str
    is_silent: bool = False
    """Whether it said nothing: it hangs, or it is only busy."""


async def ping(port: int, seconds: float) -> Problem | None:
    """Ask a server on 127.0.0.1 for /ping; None if it answers with 200 within `seconds`."""
    try:
        status = await asyncio.wait_for(_status(port), seconds)
    except asyncio.TimeoutError:
        return Problem(f"It did not answer /ping within {seconds:g} s", is_silent=True)
    except (OSError, ValueError) as error:
        return Problem(f"It did not answer /ping: {error}")
    return None if status == HTTPStatus.OK else Problem(f"It answered /ping with {status}")


async def _status(port: int) -> int:
    """Return the status of the response. Raises OSError, or ValueError for what is no response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_MOST)
    try:
        writer.write(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port)
        line = await reader.readline()
        # A connection that is closed with a part unread is reset, and servers complain about it.
        await reader.read(_MOST)
    finally:
        writer.close()
    if not line:
        raise ConnectionError("it closed the connection")
    version, _, rest = line.partition(b" ")
    if not version.startswith(b"HTTP/") or not rest[:3].isdigit():
        raise ValueError("its response is not HTTP")
    return int(rest[:3])
