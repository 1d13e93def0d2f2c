"""Archives that the daemon is asked to bring: it reaches the buckets, and may be away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any

from mlberth_local.errors import ServiceError

_ASK_SECONDS = 1.0
"""Between two times that the daemon is asked for the same archive: it may have been killed meanwhile."""


@dataclass(frozen=True)
class Wanted:
    """An archive for an instance."""

    endpoint: str
    instance: str
    target: str
    """Its address, relative to the model's `ModelDataUrl`."""
    name: str
    """Of the folder that it is unpacked into."""


class NoRoomError(Exception):
    """There is no room on the disk for what is in the archive."""


class Fetches:
    """The archives that are on their way; `ask` sends the daemon a message, if there is one."""

    def __init__(self, ask: Callable[[dict[str, Any]], None]) -> None:
        self._ask = ask
        self._waiting: dict[tuple[str, str], asyncio.Future[int]] = {}

    async def fetch(self, wanted: Wanted, seconds: float) -> int:
        """Have an archive unpacked; returns how many bytes its files have.

        Raises `ServiceError` if it is not there or no archive, or does not come in time, and `NoRoomError`.
        """
        key = (wanted.instance, wanted.name)
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[key] = found
        deadline = monotonic() + seconds
        try:
            while (left := deadline - monotonic()) > 0:
                self._ask(asdict(wanted))
                await asyncio.wait((found,), timeout=min(left, _ASK_SECONDS))
                if found.done():
                    return await found
        finally:
            self._waiting.pop(key, None)
        text = f"The archive of target model {wanted.target} did not come within {seconds:g} s."
        raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)

    def answered(self, fields: Mapping[str, Any]) -> None:
        """Take what the daemon says of an archive: `bytes`, `error`, or that there is no room."""
        found = self._waiting.get((fields["instance"], fields["name"]))
        if found is None or found.done():  # it came too late
            return
        if "bytes" in fields:
            found.set_result(fields["bytes"])
        elif fields.get("full"):
            found.set_exception(NoRoomError)
        else:
            found.set_exception(ServiceError(*fields["error"]))
