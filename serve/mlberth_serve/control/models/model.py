"""One model of several: its processes from the load to the unload, each step taken when it is due."""

from __future__ import annotations

import contextlib
import enum
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

from mlberth.errors import MlberthError
from mlberth.process.children import Child, group_lives, signal_group
from mlberth.process.exhaustion import oom_kills
from mlberth_serve.control.generation import Generation
from mlberth_serve.control.models.door import Door
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.metrics_memory import MetricsMemory

_MAX_FAILED_STARTS = 4
"""Of a model that has served, with 1, 2 and 4 seconds between them; then it is left alone."""
_KILL_SECONDS = 5.0
"""For which processes that were killed are waited for: the kernel frees their memory meanwhile."""

log = logging.getLogger(__name__)


class State(enum.Enum):
    """Where a model is in its life."""

    LOADING = "LOADING"
    READY = "READY"
    RESTARTING = "RESTARTING"
    """It has served, and its processes have ended."""
    DOWN = "DOWN"
    """It has ended again and again."""
    UNLOADING = "UNLOADING"
    GONE = "GONE"
    """All its processes have ended, and their memory is free."""


class Model:
    """A name, a folder, and the generation of processes that serves it."""

    def __init__(
        self,
        name: str,
        url: str,
        folder: Path,
        door: Door,
        begin: Callable[[Model], Generation | None],
        *,
        load_seconds: float,
        drain_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        """Begin to load; `begin` starts a generation, or returns None if that has to wait."""
        self.name, self.url, self.folder = name, url, folder
        self.state = State.LOADING
        self.board: MetricsMemory | None = None
        self.failure: failure_report.Failure | None = None
        """Why the load, or the latest start, has failed."""
        self.exhausted = False
        """Whether it failed for lack of memory."""
        self.count: Callable[[str], None] = _count_nothing
        """Called with what has become of its processes: "restarted", "reloaded"."""
        self._door, self._begin, self._clock = door, begin, clock
        self._load_seconds, self._drain_seconds = load_seconds, drain_seconds
        self.began = clock()
        self.started = time.time()
        """Seconds since the epoch."""
        self.serving: Generation | None = None
        self._next: Generation | None = None
        self._next_began = 0.0
        self._reload_requested = False
        self._ending: dict[Generation, float] = {}
        self._failed_starts = 0
        self._not_before = 0.0
        self._known_kills: int | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a step is due soon."""
        return self.state not in (State.READY, State.DOWN) or self.is_reloading or bool(self._ending)

    @property
    def is_reloading(self) -> bool:
        """Whether a reload is asked for, or under way."""
        return self._reload_requested or self._next is not None

    @property
    def children(self) -> list[Child]:
        """The processes of all its generations."""
        current = [generation for generation in (self.serving, self._next) if generation]
        return [generation.child for generation in (*current, *self._ending)]

    @property
    def children_have_ended(self) -> bool:
        """Whether there is an end that `advance` is to see."""
        return any(child.returncode is not None for child in self.children)

    def worker_pids(self) -> list[int]:
        """Return the ids of the processes that predict."""
        pid = self.serving.child.pid if self.serving else 0
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:  # it has just ended, or the kernel does not tell
            return []
        return [int(number) for number in text.split()]

    def request_reload(self) -> None:
        """Load it anew, and let what serves now serve until that is done."""
        if self.state is State.READY:
            self._reload_requested = True

    def unload(self) -> None:
        """Take no more requests, answer those that have arrived, and end."""
        self._door.close(self.name)
        self.state = State.UNLOADING
        for generation in (self.serving, self._next):
            if generation:
                self._retire(generation)
        self.serving = self._next = None
        self._reload_requested = False

    def give_up(self) -> None:
        """End what loads at once: there is no memory for it."""
        self.exhausted = True
        for generation in (self.serving, self._next):
            if generation and not generation.is_complete():
                generation.kill()

    def advance(self) -> None:
        """Take the steps that are due, now that children may have ended."""
        self._collect()
        if self.state is State.UNLOADING:
            if not self._ending:
                self.state = State.GONE
        elif self.state in (State.LOADING, State.RESTARTING):
            self._advance_start()
        elif self.state is State.READY:
            self._advance_serving()

    def _advance_start(self) -> None:
        if self.serving is None:
            if self._clock() >= self._not_before:
                self._start()
            return
        self.serving.advance()
        if self.serving.has_failed:
            self._note_failure(self.serving)
            self._retire(self.serving, kill=True)
            self.serving = None
            self._start_failed()
        elif self.serving.is_complete():
            if self.state is State.RESTARTING:
                self.count("restarted")
            self.state, self._failed_starts = State.READY, 0
            self.failure, self.exhausted = None, False
            self._door.open(self.name, self.serving.folder)
        elif self._clock() - self.began > self._load_seconds:
            self.failure = failure_report.Failure("", 0)
            self.serving.kill()
            self._retire(self.serving, kill=True)
            self.serving = None
            self._start_failed()

    def _start(self) -> None:
        self._known_kills = oom_kills()
        try:
            self.serving = self._begin(self)
        except (MlberthError, OSError) as error:
            self.failure = failure_report.describe(error)
            self.exhausted = isinstance(error, OSError)  # no process, no memory, no room on the disk
            self._start_failed()

    def _start_failed(self) -> None:
        """Give up a load; try again, later and later, what has served."""
        if self.state is State.LOADING:
            self.unload()
            return
        self._failed_starts += 1
        if self._failed_starts == _MAX_FAILED_STARTS:
            self.state = State.DOWN
            log.error(
                "model %s could not be started %d times, and is left alone", self.name, self._failed_starts
            )
            return
        delay = 2.0 ** (self._failed_starts - 1)
        self._not_before = self._clock() + delay
        self.began = self._not_before
        log.error("model %s could not be started, the next try is in %g s", self.name, delay)

    def _advance_serving(self) -> None:
        assert self.serving is not None
        self.serving.advance()
        if self.serving.has_failed:
            self._door.close(self.name, down=True)
            self._note_failure(self.serving)
            log.error("the processes of model %s have ended, and are replaced", self.name)
            self._retire(self.serving, kill=True)
            self.serving, self.state = None, State.RESTARTING
            self.began = self._clock()
            return
        if self._next:
            self._advance_reload(self._next)
        elif self._reload_requested:
            self._begin_reload()

    def _begin_reload(self) -> None:
        try:
            self._next = self._begin(self)
        except (MlberthError, OSError) as error:
            log.error("model %s is not reloaded, what served before serves on: %s", self.name, error)  # noqa: TRY400
            self._reload_requested = False
        else:
            self._reload_requested = self._next is None
            self._next_began = self._clock()

    def _advance_reload(self, successor: Generation) -> None:
        successor.advance()
        late = self._clock() - self._next_began > self._load_seconds
        if successor.has_failed or late:
            why = "it took too long" if late else successor.cause().line
            log.error("model %s is not reloaded, what served before serves on: %s", self.name, why)
            self._retire(successor, kill=True)
        elif successor.is_complete():
            assert self.serving is not None
            self._door.open(self.name, successor.folder)
            self._retire(self.serving)
            self.serving = successor
            self.count("reloaded")
            log.info("model %s is reloaded, in %.2f s", self.name, self._clock() - self._next_began)
        else:
            return
        self._next = None

    def _note_failure(self, generation: Generation) -> None:
        self.failure = generation.cause()
        kills = oom_kills()
        if kills is None or self._known_kills is None:
            killed = generation.child.returncode == -signal.SIGKILL  # by whom is not known
        else:
            killed = kills > self._known_kills
        self.exhausted = self.exhausted or killed or "MemoryError" in self.failure.line

    def _retire(self, generation: Generation, *, kill: bool = False) -> None:
        if kill:
            generation.kill()
        else:
            generation.end()
        self._ending[generation] = self._clock() + (_KILL_SECONDS if kill else self._drain_seconds)

    def _collect(self) -> None:
        """Forget the generations whose last process has ended; those that take too long are killed."""
        for generation, deadline in list(self._ending.items()):
            if generation.child.returncode is not None:
                if group_lives(generation.child):
                    signal_group(generation.child, signal.SIGKILL)
                    if self._clock() < deadline + _KILL_SECONDS:
                        continue
                del self._ending[generation]
                generation.folder.remove()
                with contextlib.suppress(OSError):
                    generation.folder.socket.unlink(missing_ok=True)
            elif self._clock() > deadline:
                log.error("model %s has not ended in time, and is killed", self.name)
                generation.kill()
                self._ending[generation] = self._clock() + _KILL_SECONDS


def _count_nothing(what: str) -> None:
    """Count nothing, until somebody wants to know."""
