"""The active gunicorn, and in a reload its replacement, which takes over when it is ready."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from mlberth.errors import MlberthError
from mlberth.process.children import Child
from mlberth_serve.control.generation import Generation
from mlberth_serve.shared.run_directory import RunDirectory, replace_links
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
        self._cannot_switch = False
        self.serving = begin(1)
        replace_links(self._links(self.serving))

    @property
    def is_changing(self) -> bool:
        """Whether a reload is under way."""
        return self._next is not None

    @property
    def children(self) -> list[Child]:
        """The processes of all generations."""
        generations = [self.serving, *([self._next] if self._next else []), *self._ending]
        return [generation.child for generation in generations]

    def loading_stage(self, *, ready: bool) -> str | None:
        """Return what is done for a generation that is to serve; None if one serves and none comes."""
        loading = self._next or (None if ready else self.serving)
        return loading.stage if loading else None

    def request_reload(self) -> None:
        """Load model and code anew as soon as no load is under way."""
        self._requested = True

    def advance(self, *, ready: bool) -> None:
        """Take the next step, now that children may have ended; a reload begins when one serves."""
        self.serving.advance()
        self._keep_links()
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
            self._run.generation(self._count).remove()
            log.error("reload failed, what served before serves on: %s", error)  # noqa: TRY400 - a line is enough

    def _advance_reload(self, successor: Generation) -> None:
        successor.advance()
        if successor.has_failed:
            log.error("reload failed, what served before serves on: %s", successor.cause().line)
            self._retire(successor)
        elif successor.is_complete() and self._switch_upstream(successor):
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

    def _switch_upstream(self, generation: Generation) -> bool:
        """Let nginx find a generation; returns whether that was possible, which it may be the next time."""
        try:
            replace_links(self._links(generation))
        except OSError as error:
            if not self._cannot_switch:
                log.error("nginx cannot be led to gunicorn, which is tried again: %s", error.strerror)  # noqa: TRY400
            self._cannot_switch = True
            return False
        self._cannot_switch = False
        return True

    def _links(self, generation: Generation) -> dict[Path, Path]:
        folder = generation.folder
        return {self._run.documents: folder.documents, self._run.socket: folder.socket}

    def _keep_links(self) -> None:
        """Put back the links that somebody has taken away, as what cleans /tmp may."""
        for path, target in self._links(self.serving).items():
            if not path.is_symlink():
                log.error("%s was gone, and is put back", path.name)
                with contextlib.suppress(OSError):
                    replace_links({path: target})

    def _retire(self, generation: Generation) -> None:
        generation.end()
        self._ending.append(generation)
