"""The headers that a handler, or an application of the user's, may put into an answer.

What frames the answer, and what tells nginx what to do with it, is the server's own. Names are the same in
any case. Sources: RFC 9110 (7.6.1, what belongs to one connection), nginx's ngx_http_proxy_module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlberth_serve.errors import ResponseHeaderError
from mlberth_serve.shared.limits import MAX_HEAD_BYTES, MAX_HEADER_BYTES, MAX_HEADERS

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
LONGEST_CUSTOM_ATTRIBUTES = 1024
"""In characters, of a request and of a response; the platform passes no more on."""
Pairs = Sequence[tuple[str, str]]
"""Names and values in their order; a name may stand there several times."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
PLAIN = re.compile(r"[\t\x20-\x7e]*")
"""What the value of a handler's header may be."""
_LATIN = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
COOKIE = "set-cookie"
"""The one header whose values cannot stand in one line, and so are added to one another."""
_STATUS = re.compile(r"[2-5][0-9]{2}( [\t\x20-\x7e]{0,512})?")
_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "server",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
_OWN_HEADERS = 10
"""Places that are left to the server's own: date, length, request id, what nginx adds for gzip, ...."""
_SHOWN_NAME = 64
_OF_THE_BODY = frozenset({"content-length", "content-type"})
_TO_NGINX = ("x-accel-", "x-mlberth-")
"""How the names begin that nginx takes for orders, and those by which a worker tells it something."""


def is_reserved(name: str) -> bool:
    """Return whether a header is the server's own: written twice or wrongly it would break the answer."""
    lower = name.lower()
    return lower in _OF_THE_CONNECTION or lower in _OF_THE_BODY or lower.startswith(_TO_NGINX)


def check_header(name: object, value: object) -> tuple[str, str]:
    """Return a handler's header; raises ValueError for one that is the server's own or that is none."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or is_reserved(name):
        raise ValueError(f"a handler cannot set the header {name!r}")
    if not isinstance(value, str) or not PLAIN.fullmatch(value):
        raise ValueError(f"the value of the header {name} is no text, or more than printable ASCII")
    return name, value


def check_sizes(headers: Pairs) -> None:
    """Raise ResponseHeaderError for headers that nginx, or a client, would not read; it names one of them."""
    sizes = [len(name) + len(value) + 2 for name, value in headers]
    for (name, value), size in zip(headers, sizes, strict=True):
        if size > MAX_HEADER_BYTES:
            raise ResponseHeaderError(
                f"The response's header {name[:_SHOWN_NAME]} has {size} bytes; "
                f"at most {MAX_HEADER_BYTES} can be sent."
            )
        if len(value) > LONGEST_CUSTOM_ATTRIBUTES and name.lower() == CUSTOM_ATTRIBUTES.lower():
            raise ResponseHeaderError(
                f"The response's header {CUSTOM_ATTRIBUTES} has {len(value)} characters; "
                f"the platform takes at most {LONGEST_CUSTOM_ATTRIBUTES}."
            )
    most = MAX_HEADERS - _OWN_HEADERS
    if len(headers) > most:
        first = headers[most][0][:_SHOWN_NAME]
        raise ResponseHeaderError(
            f"The response has {len(headers)} headers; at most {most} can be sent. "
            f"{first} is the first beyond."
        )
    if (total := sum(sizes)) > MAX_HEAD_BYTES:
        largest = max(zip(sizes, headers, strict=True))[1][0][:_SHOWN_NAME]
        raise ResponseHeaderError(
            f"The response's headers have {total} bytes; at most {MAX_HEAD_BYTES} can be sent. "
            f"{largest} is the largest."
        )


def pairs(headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return headers as names and values: of a map, the last of several cases; of a list of values, each."""
    if isinstance(headers, Mapping):
        headers = {str(name).lower(): (name, value) for name, value in headers.items()}.values()
    return [(name, one) for name, value in headers for one in _values(value)]


def _values(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def replaced(old: Pairs, new: Pairs) -> list[tuple[str, str]]:
    """Return headers in which the new ones stand in the place of those of the same names."""
    names = {name.lower() for name, _ in new}
    return [*(one for one in old if one[0].lower() not in names), *new]


def check_status(line: object) -> str:
    """Return an application's status line; raises ValueError for what is none of a whole answer's."""
    if not isinstance(line, str) or not _STATUS.fullmatch(line):
        raise ValueError(f"{line!r} as status; expected a number from 200 to 599 and a phrase")
    return line


def passed_on(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what is passed on of an application's headers; raises ValueError for what is no header.

    Raises ResponseHeaderError for what is too large.
    The server's own are left out, but for the first Content-Type, and for a Content-Length that is one.
    """
    found: list[tuple[str, str]] = []
    lengths = set()
    for name, value in headers:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} as the name of a header")
        if not isinstance(value, str) or not _LATIN.fullmatch(value):
            raise ValueError(f"the value of the header {name} is no text, or no text of one line")
        lower = name.lower()
        if lower == "content-length":
            lengths.add(value.strip(" \t"))
        elif lower == "content-type":
            if not any(one.lower() == lower for one, _ in found):
                found.append((name, value))
        elif not is_reserved(name):
            found.append((name, value))
    check_sizes(found)
    if len(lengths) == 1 and _LENGTH.fullmatch(length := lengths.pop()):
        found.append(("Content-Length", length))
    return found
