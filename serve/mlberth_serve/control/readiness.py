"""The files that /ping is answered from: owned by the supervisor, replaced by rename."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from mlberth_serve.shared.run_directory import replace_private

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
    """The state of the server: 200 while the file `ready` exists, else 503 with `not_ready.json`."""

    def __init__(self, folder: Path) -> None:
        self._ready = folder / "ready"
        self._not_ready = folder / "not_ready.json"
        self.state = ""

    def change(self, state: str) -> bool:
        """Write down a state; returns whether it is another one than before."""
        if state == self.state:
            return False
        if state == READY:
            replace_private(self._ready, "")
        else:
            # First the cause, then the change, so that a 503 always has a cause to tell.
            self._write_cause(state)
            self._ready.unlink(missing_ok=True)
        self.state = state
        return True

    def _write_cause(self, state: str) -> None:
        error = {"error": {"code": state, "message": CAUSES[state]}}
        try:
            replace_private(self._not_ready, json.dumps(error) + "\n")
        except OSError as fault:
            if not self.state:
                raise  # nothing can be served from here, while a disk that fills up later must end nothing
            log.warning("/ping tells an older cause than %s: %s", state, fault.strerror)


def assess(living_workers: int, before: str) -> str:
    """Return the state after `before` for a number of living workers that have loaded the model."""
    if living_workers:
        return READY
    return WEDGED if before in (READY, WEDGED) else LOADING
