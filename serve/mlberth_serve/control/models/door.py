"""The names by which nginx finds the socket of each model: links in folders, changed by rename.

A link of the model's name leads to the folder of a generation, where a link leads to its socket: nginx can
look for a folder, and not for a socket. Where the name is tells nginx the slot (`control/nginx/models.py`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from mlberth_serve.control.nginx.models import PLACES, slot_in
from mlberth_serve.shared.run_directory import GenerationDirectory, RunDirectory, replace_links


class Door:
    """Lets nginx in to a model, or tells it that the model has no process now."""

    def __init__(self, run: RunDirectory) -> None:
        """Make the folders; raises OSError."""
        self._run = run
        self._slots: dict[int, str] = {}
        """The model that has each slot of nginx's."""
        self._places: dict[str, int] = {}
        places = [run.models_in(place) for place in PLACES]
        for folder in (
            *places,
            run.model_slots,
            run.models_down,
            run.models_out_of_memory,
            run.packages,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open(self, name: str, folder: GenerationDirectory) -> None:
        """Lead requests for a model to a generation; raises OSError if there is no room for a link."""
        replace_links({folder.link: folder.socket})
        place = self._place(name)
        slot = slot_in(place, name)
        # The socket first: from the second on there are requests.
        if slot is not None:
            replace_links({self._run.model_slots / str(slot): folder.socket})
        replace_links({self._run.models_in(place) / name: folder.path})
        with contextlib.suppress(OSError):
            (self._run.models_down / name).unlink(missing_ok=True)

    def close(self, name: str, *, down: bool = False) -> None:
        """Lead no request to a model; with `down` it is still loaded, and has no process."""
        marker = self._run.models_down / name
        with contextlib.suppress(OSError):
            marker.touch() if down else marker.unlink(missing_ok=True)
        if not down:
            _remove(self._run.models_out_of_memory / name)
        place = self._places.pop(name, None)
        if place is None:
            return
        _remove(self._run.models_in(place) / name)
        slot = slot_in(place, name)
        if slot is not None:
            _remove(self._run.model_slots / str(slot))
            del self._slots[slot]

    def _place(self, name: str) -> int:
        """Return where a model is, or take the first place for it whose slot no other model has."""
        for place in PLACES if name not in self._places else ():
            slot = slot_in(place, name)
            if slot is None or slot not in self._slots:
                self._places[name] = place
                if slot is not None:
                    self._slots[slot] = name
                break
        return self._places[name]


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
