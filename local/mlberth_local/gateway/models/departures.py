"""Models that leave an instance: its memory, and then its disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from time import monotonic

from mlberth_local.engines.trees import remove_tree
from mlberth_local.gateway.models.changes import Changes
from mlberth_local.gateway.models.container import Container
from mlberth_local.gateway.models.model import Key, Model

_LOG = logging.getLogger("mlberth.gateway")


class Departures:
    """Frees what the models of one instance take. `models` is the instance's own record."""

    def __init__(
        self,
        models: dict[str, Model],
        changes: Changes,
        container: Container,
        folder: Path,
        note: Callable[[Key, str, float], None],
    ) -> None:
        self._models = models
        self._changes = changes
        self._container = container
        self._folder = folder
        self._note = note

    async def unload_one(self, besides: Model, key: Key, deadline: float) -> bool:
        """Free memory: unload the model that was asked least recently, or wait for one that is busy.

        Returns whether another try may succeed.
        """
        others = [one for one in self._models.values() if one is not besides]
        loaded = [one for one in others if one.loaded and not one.leaving]
        if idle := [one for one in loaded if one.is_idle]:
            return await self._unload(min(idle, key=lambda one: one.used), key, deadline)
        if loaded:
            # All have requests. The one that has been there longest takes no more until it has had its turn
            # outside: else the model that waits would never come in.
            return await self._unload(min(loaded, key=lambda one: one.loaded_at), key, deadline)
        if any(one.leaving or one.load_is_sent for one in others):
            return await self._changes.wait(deadline)
        return False

    async def discard_one(self, besides: Model, key: Key, deadline: float) -> bool:
        """Free the disk: remove the files of the model that was asked least recently."""
        found = [
            one
            for one in self._models.values()
            if one is not besides and one.size is not None and one.is_idle
        ]
        if not found:
            return False
        model = min(found, key=lambda one: one.used)
        model.leaving = True
        await self.retire(model, key, deadline)
        return model.size is None

    async def retire(self, model: Model, key: Key, deadline: float) -> None:
        """Unload a model that takes no more requests, and remove its files."""
        try:
            if not model.loaded or await self._unload_now(model, key, deadline):
                await self.remove(model)
        finally:
            self._stay(model)

    async def _unload(self, model: Model, key: Key, deadline: float) -> bool:
        model.leaving = True
        try:
            while model.users:
                if not await self._changes.wait(deadline):
                    return False
            return await self._unload_now(model, key, deadline)
        finally:
            self._stay(model)

    async def _unload_now(self, model: Model, key: Key, deadline: float) -> bool:
        began = monotonic()
        reply = await self._container.unload(model.name, max(0.0, deadline - began))
        if reply.status >= 300 and reply.status != HTTPStatus.NOT_FOUND:
            text = reply.body[:200].decode(errors="replace")
            _LOG.warning("%s is not unloaded: %d %s", self._folder / model.name, reply.status, text)
            return False
        model.loaded = False
        self._note(key, "ModelUnloadingTime", monotonic() - began)
        return True

    def _stay(self, model: Model) -> None:
        model.leaving = False
        self._changes.tell()
        self.forget_if_gone(model)

    async def remove(self, model: Model) -> None:
        """Remove a model's files."""
        await asyncio.to_thread(remove_tree, self._folder / model.name)
        model.size = None

    def forget_if_gone(self, model: Model) -> None:
        """Keep nothing of a model that the instance has nothing of."""
        if model.is_idle and not model.loaded and model.size is None:
            self._models.pop(model.name, None)
