"""The models of one instance: loaded by the first request for each, unloaded when others need the room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import TypeVar

from mlberth_local.engines.trees import tree_size
from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.models.changes import Changes
from mlberth_local.gateway.models.container import LOADED_ALREADY, Container, Reply
from mlberth_local.gateway.models.departures import Departures
from mlberth_local.gateway.models.fetches import Fetches, NoRoomError, Wanted
from mlberth_local.gateway.models.model import Key, LoadError, Model, Use
from mlberth_local.gateway.models.targets import not_ready
from mlberth_local.gateway.table import ModelStore

_LOG = logging.getLogger("mlberth.gateway")
SPILL = 16.0
"""A model is loaded on a second instance if the first has so many requests more in flight."""
_MOST_REPEATS = 3
"""So often a request is sent again to a model that was gone, or had no memory."""
AnyReply = TypeVar("AnyReply", bound=Reply)


@dataclass(frozen=True)
class Means:
    """What the models of all instances are looked after with."""

    fetches: Fetches
    note: Callable[[Key, str, float], None]
    """Counts a value of a metric."""
    limits: Limits


class InstanceModels:
    """Keeps one instance's models. All is decided in the event loop, between two awaits."""

    def __init__(self, instance: str, store: ModelStore, container: Container, means: Means) -> None:
        self.instance = instance
        self._folder = Path(store.folder)
        self._caches = store.caches
        self._container = container
        self._means = means
        self._limits = means.limits
        self._models: dict[str, Model] = {}
        self._changes = Changes()
        self._departures = Departures(self._models, self._changes, container, self._folder, means.note)
        self._room = asyncio.Lock()
        """Of the load that frees memory: loads that would do so side by side would unload too much."""
        self._finding = asyncio.Lock()
        self._found = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def loaded(self) -> list[str]:
        """The models that can be asked: the names that clients have for them, if any has asked for it."""
        return sorted(one.target or one.name for one in self._models.values() if one.loaded)

    def rank(self, name: str, outstanding: int) -> float:
        """Return how little an instance with so many requests in flight is fit for one for a model."""
        model = self._models.get(name)
        if model is not None and model.loaded and not model.leaving:
            return outstanding
        if model is not None and model.loading:
            return SPILL - 0.5
        return SPILL + outstanding + len(self._models) / 1000  # equally busy: the one with fewer models

    async def ask(self, use: Use, send: Callable[[bytes], Awaitable[AnyReply]]) -> AnyReply:
        """Return the response that `send` gets at a model's path; the model is loaded first if need be.

        Raises `ServiceError` if the model is not there or takes too long, `LoadError`, and what `send` does.
        """
        while True:
            model = await self._take(use)
            use.sent = True
            try:
                reply = await send(model.path)
            finally:
                self._give_back(model, use.key)
            if not await self._may_repeat(model, reply.status, use):
                return reply

    async def _take(self, use: Use) -> Model:
        """Return a model that is loaded and stays so until it is given back."""
        model = self._models.get(use.name)
        if model is not None and model.loaded and not model.leaving:
            model.users += 1
            model.used, model.target = monotonic(), use.target
            return model
        use.hit = False
        began = monotonic()
        try:
            return await self._take_when_loaded(use, began + self._limits.load_seconds)
        finally:
            use.waited += monotonic() - began

    async def _take_when_loaded(self, use: Use, deadline: float) -> Model:
        while (model := self._model(use.name)).leaving:
            if not await self._changes.wait(deadline):
                raise not_ready()
        model.users += 1
        model.used, model.target = monotonic(), use.target
        try:
            if not model.loaded:
                loading = model.loading = model.loading or self._start(self._load(model, use.key))
                await _end_of(loading, deadline)
        except BaseException:
            self._give_back(model, use.key)
            raise
        return model

    def _give_back(self, model: Model, key: Key) -> None:
        model.users -= 1
        model.used = monotonic()
        if model.users:
            return
        self._changes.tell()
        if not self._caches and model.loaded and model.is_idle:
            deadline = monotonic() + self._limits.load_limit_seconds
            model.leaving = True
            self._start(self._departures.retire(model, key, deadline))
        self._departures.forget_if_gone(model)

    async def _may_repeat(self, model: Model, status: int, use: Use) -> bool:
        """Do what a response asks for, and return whether the request may be sent again."""
        if status < HTTPStatus.BAD_REQUEST or use.repeats >= _MOST_REPEATS:
            return False
        use.repeats += 1
        if status == HTTPStatus.NOT_FOUND and not await self._container.has(model.name):
            # The container has lost it: a server that was started anew, or somebody who unloaded it.
            model.loaded = False
            return True
        if status == HTTPStatus.INSUFFICIENT_STORAGE:
            deadline = monotonic() + self._limits.load_seconds
            return await self._departures.unload_one(model, use.key, deadline)
        return False

    async def _load(self, model: Model, key: Key) -> None:
        """Bring and load a model; goes on without those who have asked for it."""
        deadline = monotonic() + self._limits.load_limit_seconds
        try:
            await self._find()
            if model.loaded:
                return
            if model.size is None:
                await self._bring(model, key, deadline)
            reply = await self._send_load(model, key, deadline)
            if reply.status == HTTPStatus.INSUFFICIENT_STORAGE:
                async with self._room:
                    while reply.status == HTTPStatus.INSUFFICIENT_STORAGE:
                        if not await self._departures.unload_one(model, key, deadline):
                            break
                        reply = await self._send_load(model, key, deadline)
            if not (200 <= reply.status < 300 or reply.status == LOADED_ALREADY):
                if reply.status != HTTPStatus.INSUFFICIENT_STORAGE:
                    # Another object may have the name by the next request.
                    await self._departures.remove(model)
                raise LoadError(reply.status, reply.body)
            model.loaded, model.loaded_at = True, monotonic()
        finally:
            model.loading = None
            self._changes.tell()
            self._departures.forget_if_gone(model)

    async def _find(self) -> None:
        """Find out what the instance has of an earlier gateway."""
        async with self._finding:
            if self._found:
                return
            for name, size in (await asyncio.to_thread(_sizes, self._folder)).items():
                self._model(name).size = size
            for name in await self._container.names():
                self._model(name).loaded = True
            self._found = True

    async def _send_load(self, model: Model, key: Key, deadline: float) -> Reply:
        model.load_is_sent = True
        began = monotonic()
        try:
            reply = await self._container.load(model.name, max(0.0, deadline - began))
        finally:
            model.load_is_sent = False
            self._changes.tell()
        if reply.status < 300:
            self._means.note(key, "ModelLoadingTime", monotonic() - began)
        return reply

    async def _bring(self, model: Model, key: Key, deadline: float) -> None:
        """Have a model's files unpacked on the disk, and keep to what the disk may hold."""
        began = monotonic()
        wanted = Wanted(key[0], self.instance, model.target, model.name)
        while model.size is None:
            try:
                model.size = await self._means.fetches.fetch(wanted, deadline - monotonic())
            except NoRoomError:
                if not await self._departures.discard_one(model, key, deadline):
                    text = b"There is no room on the disk for the files of the model."
                    raise LoadError(HTTPStatus.INSUFFICIENT_STORAGE, text) from None
        self._means.note(key, "ModelDownloadingTime", monotonic() - began)
        most = self._limits.models_bytes
        while most and sum(one.size or 0 for one in self._models.values()) > most:
            if not await self._departures.discard_one(model, key, deadline):
                _LOG.warning("%s: the models in use take more than %d bytes", self.instance, most)
                break

    def _model(self, name: str) -> Model:
        return self._models.setdefault(name, Model(name))

    def _start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _LOG.info("%s: a model was not loaded or unloaded: %s", self.instance, failure)


async def _end_of(loading: asyncio.Task[None], deadline: float) -> None:
    """Wait for a load. Raises why it failed, or that it takes long."""
    await asyncio.wait((loading,), timeout=deadline - monotonic())
    if not loading.done():
        raise not_ready()
    loading.result()


def _sizes(folder: Path) -> dict[str, int]:
    """Return how many bytes the files of each model have."""
    found = folder.iterdir() if folder.is_dir() else ()
    return {one.name: tree_size(one / "model") for one in found if (one / "model").is_dir()}
