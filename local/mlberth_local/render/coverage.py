"""The account of a request's parameters: each is carried over to the other engine, or named with the reason.

A path is dotted, without the positions in lists and the keys of maps: `InputDataConfig.ChannelName`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_MAX_SHOWN = 80


class Coverage(NamedTuple):
    """What an engine does with the parameters of one operation.

    A path stands for all below it that has no line of its own.
    """

    carried: Mapping[str, str]
    """Path to the field or the variable of the engine that has it."""
    left_out: Mapping[str, str]
    """Path to the reason, and to what does the same there, if anything does."""


def notes(operation: str, shape: Any, request: Mapping[str, Any], coverage: Coverage) -> list[str]:
    """Return a line for each parameter of a request that is not carried over."""
    found: dict[str, str] = {}
    for path, shown, value in _leaves(shape, request, "", ""):
        owner = owner_of(path, coverage)
        if owner in coverage.left_out:
            # All that is below one path is one line.
            depth = len(owner.split("."))
            place = ".".join(shown.split(".")[:depth])
            is_leaf = owner == path
            value_text = f" = {_text(value)}" if is_leaf else ""
            found.setdefault(place, f"{operation}.{place}{value_text}: {coverage.left_out[owner]}")
    return list(found.values())


def unaccounted(shape: Any, coverage: Coverage) -> list[str]:
    """Return the paths of a shape that are neither carried over nor left out with a reason."""
    return [path for path in sorted(set(_paths(shape, "", ()))) if not owner_of(path, coverage)]


def owner_of(path: str, coverage: Coverage) -> str:
    """Return the longest path with a line that a parameter is at or below; "" without one."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        candidate = ".".join(parts[:end])
        if candidate in coverage.carried or candidate in coverage.left_out:
            return candidate
    return ""


def _leaves(shape: Any, value: Any, path: str, shown: str) -> Iterator[tuple[str, str, Any]]:
    """Yield path, path with positions, and value of what a request sets; not what it switches off."""
    if value is None or value is False or value in ("", [], {}):
        return
    if shape.type_name == "structure":
        for name, item in value.items():
            dot = "." if path else ""
            yield from _leaves(shape.members[name], item, f"{path}{dot}{name}", f"{shown}{dot}{name}")
    elif shape.type_name == "list" and shape.member.type_name in {"structure", "list"}:
        for number, item in enumerate(value):
            yield from _leaves(shape.member, item, path, f"{shown}[{number}]")
    else:
        yield path, shown, value


def _paths(shape: Any, path: str, above: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths of all that a request can set; a shape within itself once."""
    if shape.type_name == "structure" and shape.members and shape.name not in above:
        for name, member in shape.members.items():
            yield from _paths(member, f"{path}.{name}" if path else name, (*above, shape.name))
    elif shape.type_name == "list":
        yield from _paths(shape.member, path, above)
    elif path:
        yield path


def _text(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
