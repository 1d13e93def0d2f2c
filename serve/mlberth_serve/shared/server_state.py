"""The states of the server that /ping tells: files in a folder that the supervisor owns.

200 while the file `ready` is there. Otherwise 503, with the cause that the files `wedged` and `stopping`
tell: they come in this order and stay, so that their names are enough. nginx.conf reads them in the same way.
"""

from __future__ import annotations

from pathlib import Path

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


def read_state(folder: Path) -> str:
    """Return the state that the files tell."""
    return next((state for state in (READY, STOPPING, WEDGED) if (folder / state).exists()), LOADING)
