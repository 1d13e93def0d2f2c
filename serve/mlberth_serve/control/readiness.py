"""The files that /ping is answered from: owned by the supervisor, changed by rename."""

from __future__ import annotations

import logging
from pathlib import Path

from mlberth_serve.shared.run_directory import write_private
from mlberth_serve.shared.server_state import LOADING, READY, STOPPING, WEDGED

log = logging.getLogger(__name__)


class Readiness:
    """The state of the server, told by the names of files (`shared/server_state.py`).

    Every file is written before anything is served, and later only renamed: on a disk without room, even
    for a name, the state still changes.
    """

    def __init__(self, folder: Path) -> None:
        """Write the files; raises OSError if they cannot be written."""
        self._ready = folder / READY
        self._kept = folder / f".{READY}"
        self._folder = folder
        for name in (READY, WEDGED, STOPPING):
            write_private(folder / f".{name}", "")
        self.state = ""
        self._failing = False

    def change(self, state: str) -> bool:
        """Change to a state; returns whether it is another one than before.

        Where that cannot be, for once, the state stays what it was: it is to be asked for again.
        """
        if state == self.state and (state != READY or self._ready.exists()):  # what cleans /tmp may take it
            return False
        try:
            self._change(state)
        except OSError as error:
            if not self._failing:
                log.error("/ping cannot be made to tell %s, which is tried again: %s", state, error.strerror)  # noqa: TRY400
            self._failing = True
            return False
        self._failing = False
        before, self.state = self.state, state
        return state != before

    def _change(self, state: str) -> None:
        if state == READY:
            if not _rename(self._kept, self._ready) and not self._ready.exists():
                write_private(self._ready, "")
            self._tell(WEDGED)  # what comes next, if anything does: then `ready` has only to go
        else:
            # First the cause, then the change, so that a 503 always has a cause to tell.
            self._tell(state)
            _rename(self._ready, self._kept)

    def _tell(self, state: str) -> None:
        if state != LOADING:
            _rename(self._folder / f".{state}", self._folder / state)


def _rename(path: Path, new: Path) -> bool:
    """Rename a file if it is there, which it is not when a change is tried again; returns whether it was."""
    try:
        path.replace(new)
    except FileNotFoundError:
        return False
    return True


def assess(living_workers: int, before: str) -> str:
    """Return the state after `before` for a number of living workers that have loaded the model."""
    if living_workers:
        return READY
    return WEDGED if before in (READY, WEDGED) else LOADING
