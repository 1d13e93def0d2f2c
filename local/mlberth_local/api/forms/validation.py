"""The constraints of a model, applied to a request: all faults at once, in the service's wording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlberth_local.api.forms.patterns import compiled

LOCAL_INSTANCE_TYPES = ("local", "local_gpu")
"""The instance types of the SDK's local mode, which every operation takes beside the service's own."""
MAX_SHOWN = 1000
_HIDDEN = "***Sensitive Data Redacted***"


def faults(shape: Any, value: Any) -> list[str]:
    """Return a sentence for each constraint of a botocore shape that the parsed request fails."""
    return list(_check(shape, value, ""))


def _check(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        yield from _size(shape, value, path)
        for index, item in enumerate(value, 1):
            yield from _check(shape.member, item, f"{path}.{index}.member")
    elif shape.type_name == "map":
        yield from _map(shape, value, path)
    elif shape.type_name == "string":
        yield from _string(shape, value, path)
    elif shape.type_name in {"integer", "long", "float", "double"}:
        yield from _range(shape, value, path)
    elif shape.type_name == "blob" and isinstance(value, bytes):
        yield from _size(shape, value, path)


def _structure(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _fault(None, _join(path, name), "Member must not be null")
    for name, item in value.items():
        if item is not None:
            yield from _check(shape.members[name], item, _join(path, name))


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _size(shape: Any, value: Any, path: str) -> Iterator[str]:
    for constraint in _sizes(shape, len(value)):
        yield _fault(_shown(shape, value), path, constraint)


def _sizes(shape: Any, size: int) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and size < minimum:
        yield f"Member must have length greater than or equal to {minimum}"
    if maximum is not None and size > maximum:
        yield f"Member must have length less than or equal to {maximum}"


def _map(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from _size(shape, value, path)
    for name, item in value.items():
        if broken := list(_constraints(shape.key, name)):
            yield _fault(
                _shown(shape, value), path, f"Map keys must satisfy constraint: [{', '.join(broken)}]"
            )
        if shape.value.type_name != "string":
            yield from _check(shape.value, item, f"{path}.{name}.member")
        elif broken := list(_constraints(shape.value, item)):
            yield _fault(
                _shown(shape, value), path, f"Map value must satisfy constraint: [{', '.join(broken)}]"
            )


def _string(shape: Any, value: str, path: str) -> Iterator[str]:
    for constraint in _constraints(shape, value):
        yield _fault(_shown(shape, value), path, constraint)


def _constraints(shape: Any, value: str) -> Iterator[str]:
    """Yield the constraints that a string does not satisfy."""
    if shape.enum:
        if value not in shape.enum and not _local_instance(shape, value):
            yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        return
    broken = list(_sizes(shape, len(value)))
    yield from broken
    pattern = shape.metadata.get("pattern")
    # A pattern is not tried on a text that is longer than any that it is meant for.
    if pattern and not broken and (expression := compiled(pattern)) and not expression.fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {pattern}"


def _local_instance(shape: Any, value: str) -> bool:
    return value in LOCAL_INSTANCE_TYPES and any(one.startswith("ml.") for one in shape.enum)


def _range(shape: Any, value: float, path: str) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and value < minimum:
        yield _fault(_shown(shape, value), path, f"Member must have value greater than or equal to {minimum}")
    if maximum is not None and value > maximum:
        yield _fault(_shown(shape, value), path, f"Member must have value less than or equal to {maximum}")


def _fault(shown: str | None, path: str, constraint: str) -> str:
    value = "null" if shown is None else f"'{shown}'"
    return f"Value {value} at '{path}' failed to satisfy constraint: {constraint}"


def _shown(shape: Any, value: Any) -> str:
    if shape.metadata.get("sensitive"):
        return _HIDDEN
    text = _java(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _java(value: Any) -> str:
    """Return a value as the service prints it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}={_java(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
