"""The files that /ping is answered from: owned by the supervisor, changed by rename."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from mlberth_serve.shared.run_directory import write_private

LOADING = "loading"
READY = "ready"
WEDGED = "wedged"
STOPPING = "stopping"
CAUSES = {
    LOADING: "The model is being loaded.",
    WEDGED: "No worker that has loaded the model gives a sign of life; new ones are being started.",
    STOPPING: "The server is stopping.",
}
"""What /ping says for each state but READY."""

log = logging.getLogger(__name__)


class Readiness:
    """The state of the server: 200 while the file `ready` exists, else 503 with `not_ready.json`.

    Every file is written before anything is served, and later only renamed: on a disk without room, even
    for a name, the state still changes.
    """

    def __init__(self, folder: Path) -> None:
        """Write the files; raises OSError where they cannot be written."""
        self._ready = folder / "ready"
        self._kept = folder / ".ready"
        self._not_ready = folder / "not_ready.json"
        self._causes = {state: folder / f".{state}.json" for state in CAUSES}
        for state, path in self._causes.items():
            error = {"error": {"code": state, "message": CAUSES[state]}}
            write_private(path, json.dumps(error) + "\n")
        write_private(self._kept, "")
        self._warned = ""
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
        if self._warned != state:
            _rename(self._causes[state], self._not_ready)
            self._warned = state


def _rename(path: Path, new: Path) -> bool:
    """Rename a file if it is there, which it is not where a change is tried again; returns whether it was."""
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
