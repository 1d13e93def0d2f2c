"""XML of the query and REST protocols as the values of a shape, and back."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from mlberth_local.errors import ServiceError

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NOT_VALID = "The XML you provided was not well-formed or did not validate against our published schema"
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse(shape: Any, body: bytes) -> Any:
    """Return the value of a shape in an XML body. Raises MalformedXML."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise _malformed()
    try:
        return _value(shape, ET.fromstring(body))  # noqa: S314 - without a DTD there are no entities
    except (ET.ParseError, ValueError, OverflowError, RecursionError) as error:
        raise _malformed() from error


def _malformed() -> ServiceError:
    return ServiceError("MalformedXML", NOT_VALID)


def _value(shape: Any, node: ET.Element) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node)
    if kind == "list":
        return [_value(shape.member, child) for child in node]
    return scalar(shape, (node.text or "") if kind in {"string", "blob"} else (node.text or "").strip())


def _structure(shape: Any, node: ET.Element) -> dict[str, Any]:
    children: dict[str, list[ET.Element]] = {}
    for child in node:
        children.setdefault(child.tag.rpartition("}")[2], []).append(child)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        tag = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            tag = member.serialization.get("name") or member.member.serialization.get("name", name)
            if tag in children:
                found[name] = [_value(member.member, child) for child in children[tag]]
        elif tag in children:
            found[name] = _value(member, children[tag][0])
    return found


def scalar(shape: Any, text: str) -> Any:
    """Return a text of an XML element, a header or a query parameter as a plain value; raises ValueError."""
    read = _SCALARS.get(shape.type_name)
    return read(text) if read else text


def _whole_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _timestamp(text: str) -> float:
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    if text[:4].isdecimal():
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    return parsedate_to_datetime(text).timestamp()


_SCALARS: dict[str, Callable[[str], Any]] = {
    "integer": _whole_number,
    "long": _whole_number,
    "float": float,
    "double": float,
    "boolean": lambda text: text.lower() == "true",
    "blob": base64.b64decode,
    "timestamp": _timestamp,
}


def serialise(shape: Any, value: Any, root: str, namespace: str) -> bytes:
    """Return the element `root` with a value of a shape."""
    inner = "".join(_inner(shape, value)) if shape is not None else ""
    return f"{_DECLARATION}<{root} xmlns={quoteattr(namespace)}>{inner}</{root}>".encode()


def inner(shape: Any, value: Mapping[str, Any]) -> str:
    """Return the elements of a structure without one around them."""
    return "".join(_inner(shape, value))


def _inner(shape: Any, value: Any) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        for name, item in value.items():
            member = shape.members.get(name)
            if member is not None and item is not None and "location" not in member.serialization:
                yield from _element(member, member.serialization.get("name", name), item)
    elif kind == "list":
        for item in value:
            yield from _element(shape.member, shape.member.serialization.get("name", "member"), item)
    elif kind == "map":
        for name, item in value.items():
            yield "<entry>"
            yield from _element(shape.key, shape.key.serialization.get("name", "key"), name)
            yield from _element(shape.value, shape.value.serialization.get("name", "value"), item)
            yield "</entry>"
    else:
        yield text_of(shape, value)


def _element(shape: Any, tag: str, value: Any) -> Iterator[str]:
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        for item in value:
            yield from _element(shape.member, shape.serialization.get("name", tag), item)
        return
    yield f"<{tag}>"
    yield from _inner(shape, value)
    yield f"</{tag}>"


def text_of(shape: Any, value: Any) -> str:
    """Return a plain value as the text of an element."""
    kind = shape.type_name
    if kind == "timestamp":
        return timestamp(value, shape.serialization.get("timestampFormat", "iso8601"))
    if kind == "blob":
        return base64.b64encode(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    return escape(_FORBIDDEN.sub("\ufffd", str(value)), {"\r": "&#13;"})


def timestamp(value: float, form: str) -> str:
    """Return seconds since the epoch as `iso8601`, `rfc822` or `unixTimestamp`."""
    if form == "rfc822":
        return formatdate(value, usegmt=True)
    if form == "unixTimestamp":
        return str(int(value))
    moment = datetime.fromtimestamp(value, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def error(code: str, message: str, request_id: str, resource: str) -> bytes:
    """Return S3's form of an error."""
    parts = {"Code": code, "Message": message, "Resource": resource, "RequestId": request_id}
    return f"{_DECLARATION}<Error>{_elements(parts)}</Error>".encode()


def query_error(code: str, message: str, request_id: str, *, namespace: str, ours: bool) -> bytes:
    """Return the query protocol's form of an error."""
    parts = {"Type": "Receiver" if ours else "Sender", "Code": code, "Message": message}
    return (
        f"<ErrorResponse xmlns={quoteattr(namespace)}><Error>{_elements(parts)}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _elements(parts: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(_FORBIDDEN.sub('?', text))}</{name}>" for name, text in parts.items())
