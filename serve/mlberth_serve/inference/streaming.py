"""A generator of a handler's as pieces of a body, one when it is asked for: nothing is made ahead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, cast

from mlberth_serve.errors import RequestError
from mlberth_serve.handler.stream_items import Items, type_of_items, write_item
from mlberth_serve.inference.event_loop import event_loop
from mlberth_serve.inference.handler_errors import to_http_error

_CLOSE_SECONDS = 5.0
"""How long the `finally` of an async generator may take."""

log = logging.getLogger(__name__)


class Stream:
    """The body of an answer that is made while it is sent."""

    def __init__(self, items: Items, content_type: str, function: str, *, concurrent: bool) -> None:
        """Take over the items; `function` names in an error who has made them."""
        self._items: Any = items
        self._function = function
        self._begun = False
        self.content_type = content_type
        """Settled when the first piece has been read."""
        self.is_async = hasattr(type(items), "__anext__")
        self.concurrent = concurrent or self.is_async
        """Whether its worker may answer other requests meanwhile."""

    def read(self) -> bytes | None:
        """Return the next piece, None at the end; raises RequestError for what the generator raises."""
        if self.is_async:
            return event_loop().submit(self.read_async()).result()
        try:
            return self._write(next(self._items))
        except StopIteration:
            return None
        except BaseException as error:
            raise self._explain(error) from error

    async def read_async(self) -> bytes | None:
        """Return the next piece of an async generator; a cancellation of its task goes through."""
        try:
            return self._write(await anext(self._items))
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """Let the generator end where it stands: its `finally` runs. Raises nothing."""
        if self.is_async:
            event_loop().submit(self.close_async()).result()
            return
        with _Logged(self._function):
            if close := getattr(self._items, "close", None):
                close()

    async def close_async(self) -> None:
        """Let an async generator end where it stands."""
        with _Logged(self._function):
            if close := getattr(self._items, "aclose", None):
                await asyncio.wait_for(close(), _CLOSE_SECONDS)

    def read_all(self) -> bytes:
        """Return the whole body; raises RequestError."""
        try:
            return b"".join(iter(self.read, None))
        finally:
            self.close()

    def _write(self, item: object) -> bytes:
        if not self._begun:
            self._begun = True
            self.content_type = type_of_items(item, self.content_type)
        return write_item(item, self.content_type)

    def _explain(self, error: BaseException) -> RequestError:
        # The class is asked, not the exception, which may say that it is something else.
        if issubclass(type(error), RequestError):
            return cast(RequestError, error)
        return to_http_error(error, self._function)


class _Logged(contextlib.AbstractContextManager[None]):
    """Logs what is raised: the answer is over, and nobody is left to be told."""

    def __init__(self, function: str) -> None:
        self._function = function

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is not None:
            log.error("%s: its generator failed when it was closed", self._function, exc_info=error)
        return True
