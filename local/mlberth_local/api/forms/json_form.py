"""JSON bodies as the values of a shape, and back."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from mlberth_local.errors import ServiceError

MAX_DEPTH = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(shape: Any, body: bytes, unknown: Callable[[str], None]) -> dict[str, Any]:
    """Return the request in a JSON body; `unknown` is called with the path of each member not in the model.

    Raises a SerializationException, in the service's wording, for what is not JSON or not of the type.
    """
    if not body.strip():
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _fault("Unexpected character or end of the request: the body is not valid JSON.") from error
    if not isinstance(document, dict):
        raise _fault("Start of structure or map found where not expected.")
    return _structure(shape, document, unknown, "", 0) if shape is not None else {}


def _fault(message: str) -> ServiceError:
    return ServiceError("SerializationException", message)


def _structure(
    shape: Any, value: Mapping[str, Any], unknown: Callable[[str], None], path: str, depth: int
) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _fault(f"The request is nested more than {MAX_DEPTH} levels deep.")
    names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    found = {}
    for name, item in value.items():
        if (own := names.get(name)) is None:
            unknown(f"{path}{name}")
        elif item is not None:
            found[own] = _value(shape.members[own], item, unknown, f"{path}{own}.", depth + 1)
    return found


def _value(shape: Any, value: Any, unknown: Callable[[str], None], path: str, depth: int) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            raise _mismatch(value, "structure")
        return _structure(shape, value, unknown, path, depth)
    if kind == "list":
        if not isinstance(value, list):
            raise _mismatch(value, "list")
        return [_value(shape.member, item, unknown, path, depth + 1) for item in value if item is not None]
    if kind == "map":
        if not isinstance(value, dict):
            raise _mismatch(value, "map")
        return {
            scalar("string", name): _value(shape.value, item, unknown, path, depth + 1)
            for name, item in value.items()
            if item is not None
        }
    return scalar(kind, value)


def scalar(kind: str, value: Any) -> Any:
    """Return a JSON value of one of the model's plain types. Raises a SerializationException."""
    read = _SCALARS.get(kind)
    found = read(value) if read else None
    if found is None:
        raise _mismatch(value, kind)
    return found


def _string(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    # Half of a character, which nothing could be written with.
    if not value.isascii() and _SURROGATE.search(value):
        raise _fault("A string is not valid Unicode: it has a lone surrogate.")
    return value


def _whole_number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _blob(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except binascii.Error as error:
        raise _fault("A blob is not valid base64.") from error


def _timestamp(value: Any) -> float:
    if (number := _number(value)) is not None and math.isfinite(number):
        return number
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()
    except ValueError as error:
        raise _mismatch(value, "timestamp") from error


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "boolean": lambda value: value if isinstance(value, bool) else None,
    "integer": _whole_number,
    "long": _whole_number,
    "float": _number,
    "double": _number,
    "blob": _blob,
    "timestamp": _timestamp,
}
_JAVA_TYPES = {
    "string": "a String",
    "boolean": "a Boolean",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "timestamp": "a Date",
    "blob": "a ByteBuffer",
    "structure": "a Structure",
    "list": "a List",
    "map": "a Map",
}


def _mismatch(value: Any, kind: str) -> ServiceError:
    if isinstance(value, dict | list):
        found = "list" if isinstance(value, list) else "structure or map"
        return _fault(f"Start of {found} found where not expected.")
    if isinstance(value, bool):
        found = "TRUE_VALUE" if value else "FALSE_VALUE"
    else:
        found = {str: "STRING_VALUE", float: "DECIMAL_VALUE"}.get(type(value), "NUMBER_VALUE")
    return _fault(f"{found} can not be converted to {_JAVA_TYPES.get(kind, kind)}")


def serialise(shape: Any, value: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON: members of the model alone, timestamps in seconds, blobs as base64."""
    document = _document(shape, value) if shape is not None else {}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _document(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            shape.members[name].serialization.get("name", name): _document(shape.members[name], item)
            for name, item in value.items()
            if item is not None and name in shape.members
        }
    if kind == "list":
        return [_document(shape.member, item) for item in value]
    if kind == "map":
        return {name: _document(shape.value, item) for name, item in value.items()}
    return _plain(kind, value)


def _plain(kind: str, value: Any) -> Any:
    if kind == "timestamp":
        return round(float(value), 3)
    if kind == "blob":
        return base64.b64encode(value).decode()
    if kind in {"float", "double"} and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return value
