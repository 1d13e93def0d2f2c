"""Parameters of the query protocol as the values of a shape: `Tags.member.1.Key=a`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth_local.api.forms import json_form
from mlberth_local.errors import ServiceError

_ENVELOPE = {"Action", "Version"}


def parse(shape: Any, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the request in a form's parameters."""
    tree: dict[str, Any] = {}
    for name, value in parameters.items():
        if name not in _ENVELOPE and not name.startswith("X-Amz-"):
            _put(tree, name.split("."), value)
    return _structure(shape, tree) if shape is not None else {}


def _put(tree: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            raise ServiceError(
                "MalformedInput", f"The parameter {'.'.join(parts)} stands below another value."
            )
        tree = branch
    tree[parts[-1]] = value


def _structure(shape: Any, tree: Any) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ServiceError("MalformedInput", f"Found {tree!r}; expected the members of {shape.name}.")
    found = {}
    for name, member in shape.members.items():
        key = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            key = member.member.serialization.get("name", key)
        if key in tree:
            found[name] = _value(member, tree[key])
    return found


def _value(shape: Any, tree: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, tree)
    if kind == "list":
        return [_value(shape.member, item) for item in _items(shape, tree)]
    if kind == "map":
        key, value = (part.serialization.get("name", default) for part, default in _parts(shape))
        items = _items(shape, tree)
        if not all(isinstance(item, dict) and isinstance(item.get(key), str) for item in items):
            raise ServiceError("MalformedInput", f"Expected each entry of {shape.name} to have its {key}.")
        return {item[key]: _value(shape.value, item.get(value, "")) for item in items}
    if isinstance(tree, dict):
        raise ServiceError("MalformedInput", f"Found members of {shape.name}, which has one value.")
    return _scalar(kind, tree)


def _parts(shape: Any) -> tuple[tuple[Any, str], tuple[Any, str]]:
    return (shape.key, "key"), (shape.value, "value")


def _items(shape: Any, tree: Any) -> list[Any]:
    """Return the items of a list or map in the order of their numbers."""
    if tree == "":
        return []
    if isinstance(tree, dict) and not shape.serialization.get("flattened"):
        wrapper = "entry" if shape.type_name == "map" else shape.member.serialization.get("name", "member")
        tree = tree.get(wrapper, tree.get("member"))
    if not isinstance(tree, dict) or not all(number.isdecimal() for number in tree):
        raise ServiceError("MalformedInput", f"Found {tree!r}; expected the numbered items of {shape.name}.")
    return [tree[number] for number in sorted(tree, key=int)]


def _scalar(kind: str, text: str) -> Any:
    """Return a text as a value of a plain type."""
    try:
        if kind in {"integer", "long"}:
            return int(text)
        if kind in {"float", "double"}:
            return float(text)
    except ValueError as error:
        raise ServiceError("MalformedInput", f"Found {text!r}; expected a number.") from error
    if kind == "boolean":
        return text.lower() == "true"
    if kind == "timestamp" and text.replace(".", "", 1).isdecimal():
        return float(text)
    return json_form.scalar(kind, text)
