"""The models that are loaded, and requests to load and unload them: one by one for each name."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlberth.contract.resources import cpu_count
from mlberth.masking import masked_text
from mlberth.process.children import Child
from mlberth_serve.control.models.errors import ModelsError, not_found
from mlberth_serve.control.models.model import Model, State
from mlberth_serve.control.models.names import find_folder
from mlberth_serve.control.models.room import Room

_LOADS_PER_CPU = 2
"""How many models load at once; others wait."""

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Operation:
    """One request to load or unload; it is over when it has a result."""

    name: str
    url: str | None
    """The folder to load; None unloads."""
    model: Model | None = None
    result: dict[str, Any] | ModelsError | None = None


class Registry:
    """Every model by its name. It runs in one thread: call `advance` often."""

    def __init__(
        self,
        root: Path,
        make: Callable[[str, str, Path], Model],
        room: Room,
        *,
        retire: Callable[[Model], None],
        secrets: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without a model; `retire` is called with each whose processes have ended for good."""
        self._root, self._make, self._room = root, make, room
        self._secrets = secrets
        self._max_loads = _LOADS_PER_CPU * cpu_count()
        self._clock = clock
        self.models: dict[str, Model] = {}
        self._waiting: dict[str, deque[Operation]] = {}
        self.counts: Counter[str] = Counter()
        """How many loads have ended, by result."""
        self._retire = retire
        self._to_reload: deque[Model] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether a step is due soon."""
        return bool(self._waiting or self._to_reload) or any(model.is_busy for model in self.models.values())

    @property
    def children(self) -> list[Child]:
        """The processes of all models."""
        return [child for model in self.models.values() for child in model.children]

    def load(self, name: str, url: str) -> Operation:
        """Ask for a model; its operation ends when the model is ready, or cannot be had."""
        return self._enqueue(Operation(name, url))

    def unload(self, name: str) -> Operation:
        """Ask for a model's end; its operation ends when its memory is free."""
        return self._enqueue(Operation(name, None))

    def loaded(self, name: str) -> Model:
        """Return a model that is loaded; raises ModelsError."""
        model = self.models.get(name)
        if model is None or model.state in (State.LOADING, State.UNLOADING):
            raise not_found(name)
        return model

    def all_loaded(self) -> list[Model]:
        """Return the models that are loaded, by name."""
        found = (self.models[name] for name in sorted(self.models))
        return [model for model in found if model.state not in (State.LOADING, State.UNLOADING)]

    def request_reload(self) -> None:
        """Load every model anew, a few at a time, while what serves now serves on."""
        log.info("reloading %d models", len(self.models))
        self._to_reload = deque(self.models.values())

    def advance(self) -> None:
        """Take every step that is due."""
        for model in list(self.models.values()):
            if model.is_busy or model.children_have_ended:
                model.advance()
            if model.state is State.GONE:
                del self.models[model.name]
                self._retire(model)
        self._spare_memory()
        self._advance_reloads()
        for name in list(self._waiting):
            queue = self._waiting[name]
            while queue and self._advance_operation(queue[0]):
                queue.popleft()
            if not queue:
                del self._waiting[name]

    def end(self) -> None:
        """Let every model answer what it has, and end."""
        for queue in self._waiting.values():
            for operation in queue:
                operation.result = ModelsError(503, "The server is stopping.")
        self._waiting.clear()
        for model in self.models.values():
            model.unload()

    def _enqueue(self, operation: Operation) -> Operation:
        self._waiting.setdefault(operation.name, deque()).append(operation)
        return operation

    def _advance_operation(self, operation: Operation) -> bool:
        """Begin an operation, or look whether it is over; returns whether it is."""
        try:
            if operation.url is None:
                operation.result = self._advance_unload(operation)
            else:
                operation.result = self._advance_load(operation, operation.url)
        except ModelsError as error:
            operation.result = error
        return operation.result is not None

    def _advance_load(self, operation: Operation, url: str) -> dict[str, Any] | None:
        model = operation.model
        if model is None:
            if operation.name in self.models:
                raise ModelsError(409, f"Model {operation.name} is already registered.")
            if sum(each.state is State.LOADING for each in self.models.values()) >= self._max_loads:
                return None
            operation.model = self._begin_load(operation.name, url)
            return None
        if model.state is State.GONE:
            raise self._load_error(model)
        if model.state is not State.READY:
            return None
        if self._room.is_used_up() and len(self.models) > 1:
            model.exhausted = True
            model.unload()
            return None
        self.counts["loaded"] += 1
        log.info("model %s is loaded, in %.2f s", model.name, self._clock() - model.began)
        return {"status": "Workers scaled"}

    def _begin_load(self, name: str, url: str) -> Model:
        folder = find_folder(url, self._root)
        if not self._room.takes(folder):
            self.counts["refused"] += 1
            raise ModelsError(507, "There is not enough memory for this model; unload others.")
        log.info("loading model %s", name)
        model = self.models[name] = self._make(name, url, folder)
        model.count = self._count
        return model

    def _count(self, what: str) -> None:
        self.counts[what] += 1

    def _load_error(self, model: Model) -> ModelsError:
        self.counts["refused" if model.exhausted else "failed"] += 1
        failure = model.failure
        cause = str(failure.fields["message"]) if failure and failure.line else "it did not load in time"
        log.error("model %s could not be loaded: %s", model.name, masked_text(cause, self._secrets))
        if model.exhausted:
            return ModelsError(507, "There was not enough memory to load this model; unload others.")
        shown = _without_paths(masked_text(cause, self._secrets), (model.folder, Path(model.url), self._root))
        return ModelsError(500, f"Failed to start workers: {shown}")

    def _advance_unload(self, operation: Operation) -> dict[str, Any] | None:
        if operation.model is None:
            operation.model = self.models.get(operation.name)
            if operation.model is None:
                raise not_found(operation.name)
            log.info("unloading model %s", operation.name)
            operation.model.unload()
        if operation.model.state is not State.GONE:
            return None
        self.counts["unloaded"] += 1
        return {"status": f'Model "{operation.name}" unregistered'}

    def _spare_memory(self) -> None:
        """Give up the load that began last, before the kernel ends a process of its own choice."""
        loading = [model for model in self.models.values() if model.state is State.LOADING]
        if loading and self._room.is_almost_gone():
            max(loading, key=lambda model: model.began).give_up()

    def _advance_reloads(self) -> None:
        while self._to_reload and sum(model.is_reloading for model in self.models.values()) < self._max_loads:
            self._to_reload.popleft().request_reload()


def _without_paths(text: str, folders: Iterable[Path]) -> str:
    """Return a message for a client: without the folders in which models and code are."""
    for folder in folders:
        text = text.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return " ".join(word if not word.startswith("/") else Path(word).name or word for word in text.split(" "))
