"""Something that tasks wait for, and look at again when it has changed."""

from __future__ import annotations

import asyncio
from time import monotonic


class Changes:
    """Tells all that wait when something has changed."""

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None

    def tell(self) -> None:
        """Let those that wait look again."""
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def wait(self, deadline: float) -> bool:
        """Return True after the next change, or False at a time of the monotonic clock."""
        if self._event is None:
            self._event = asyncio.Event()
        try:
            await asyncio.wait_for(self._event.wait(), max(0.0, deadline - monotonic()))
        except asyncio.TimeoutError:
            return False
        return True
