"""The active gunicorn, and in a reload its replacement, which takes over when it is ready."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mlberth.errors import MlberthError
from mlberth.process.children import Child
from mlberth_serve.control.generation import Generation
from mlberth_serve.shared.run_directory import RunDirectory, replace_link
from mlberth_serve.variables import Variables

log = logging.getLogger(__name__)


class Reloader:
    """The generation that serves, the one that is to, and those that answer their last requests.

    nginx finds the one that serves by links to its socket and its documents, which are replaced by
    rename: no request is between the two, and nginx need not be told. A reload that has not loaded
    within `limit` seconds is given up.
    """

    def __init__(
        self,
        run: RunDirectory,
        begin: Callable[[int], Generation],
        limit: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._begin = begin
        self._limit = limit
        self._clock = clock
        self._count = 1
        self._next: Generation | None = None
        self._next_began = 0.0
        self._ending: list[Generation] = []
        self._requested = False
        self.serving = begin(1)
        self._switch_upstream(self.serving)

    @property
    def is_changing(self) -> bool:
        """Whether a reload is under way."""
        return self._next is not None

    @property
    def children(self) -> list[Child]:
        """The processes of all generations."""
        generations = [self.serving, *([self._next] if self._next else []), *self._ending]
        return [generation.child for generation in generations]

    def request_reload(self) -> None:
        """Load model and code anew as soon as no load is under way."""
        self._requested = True

    def advance(self, *, ready: bool) -> None:
        """Take the next step, now that children may have ended; a reload begins when one serves."""
        self.serving.advance()
        for generation in [ending for ending in self._ending if ending.child.returncode is not None]:
            self._ending.remove(generation)
            generation.folder.remove()
        if self._next:
            self._advance_reload(self._next)
        elif self._requested and ready:
            self._begin_reload()

    def _begin_reload(self) -> None:
        self._requested = False
        self._count += 1
        self._next_began = self._clock()
        log.info("reloading")
        try:
            self._next = self._begin(self._count)
        except (MlberthError, OSError) as error:
            log.error("reload failed, what served before serves on: %s", error)  # noqa: TRY400 - a line is enough

    def _advance_reload(self, successor: Generation) -> None:
        successor.advance()
        if successor.has_failed:
            log.error("reload failed, what served before serves on: %s", successor.cause().line)
            self._retire(successor)
        elif successor.is_complete():
            self._switch_upstream(successor)
            self._retire(self.serving)
            self.serving = successor
            log.info("reloaded in %.2f s", self._clock() - self._next_began)
        elif self._clock() - self._next_began > self._limit:
            name = Variables.reload_timeout.name
            log.error("reload failed, what served before serves on: not loaded in %s=%g", name, self._limit)
            successor.kill()
            self._ending.append(successor)
        else:
            return
        self._next = None

    def _switch_upstream(self, generation: Generation) -> None:
        replace_link(self._run.documents, generation.folder.documents)
        replace_link(self._run.socket, generation.folder.socket)

    def _retire(self, generation: Generation) -> None:
        generation.end()
        self._ending.append(generation)
