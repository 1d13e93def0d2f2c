"""The text for an engine, and the lines that say what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mlberth_local.render.request_files import Request


class Rendered(NamedTuple):
    """What an engine is given."""

    text: str
    """Manifests or a script; its comments begin with `#`, and it has the notes as comments already."""
    notes: list[str]
    """A line for each parameter that is not carried over."""


Renderer = Callable[[Sequence[Request]], Rendered]
"""Takes requests that have passed the service's checks; raises ContractError for what cannot be rendered."""


def comments(notes: Sequence[str]) -> str:
    """Return notes as comments for the top of a text; "" without any."""
    if not notes:
        return ""
    lines = ["Not carried over from the request:", *(f"- {note}" for note in notes)]
    return "".join(f"# {line}\n" for line in lines)
