"""Media types with parameters, and the choice of an answer's type from an Accept header.

Source: RFC 9110 sections 8.3.1 and 12.5.1. Types are compared without regard to case. The results
for a header are kept, since clients send the same few headers again and again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from mlberth_serve.errors import BadRequestError, NotAcceptableError, UnsupportedTypeError

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
NPZ = "application/x-npz"
RECORDIO = "application/x-recordio-protobuf"
LIBSVM = "text/libsvm"
PARQUET = "application/x-parquet"
EVENT_STREAM = "text/event-stream"
TEXT = "text/plain"
"""These two are written by handlers alone: those that stream."""

DEFAULT_CONTENT_TYPE = JSON
"""What a body without a Content-Type is: the rule of sagemaker-containers."""

LONGEST_HEADER = 1024
KEPT_HEADERS = 256
CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "latin1": "latin-1",
}

TEXT_TYPES = frozenset({CSV, JSON})
"""What `input_fn` and `transform_fn` get as str; every other body is bytes (sagemaker-inference-toolkit)."""

_WORDS = {"csv": CSV, "libsvm": LIBSVM, "parquet": PARQUET, "recordio-protobuf": RECORDIO}
"""Words that the platform's algorithms take in the place of a media type."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for it
# A lone `*` is what Java's HttpURLConnection sends for `*/*`.
_TYPE = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN}|\*|csv|libsvm|parquet|recordio-protobuf)[ \t]*", re.IGNORECASE)
_PARAMETER = re.compile(rf'[ \t]*({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*')
_ESCAPE = re.compile(r"\\(.)")
_ANYTHING = "*/*"
_NAMES = {"*": _ANYTHING, **_WORDS}


@dataclass(frozen=True)
class MediaType:
    """A type such as `text/csv` and its parameters; names are lower case."""

    name: str
    parameters: Mapping[str, str]
    sent: str = ""
    """As the client wrote it, for a handler's own functions; only a charset that was applied is left out."""
    fault: str = ""
    """Why it is no media type; a handler's own functions may know it all the same."""

    @cached_property
    def is_text(self) -> bool:
        """Whether a handler's functions get the body as str: JSON and CSV in a charset that is known."""
        return self.name in TEXT_TYPES and self.parameters.get("charset", "utf-8").lower() in CHARSETS

    @cached_property
    def codec(self) -> str:
        """Python's name for the character set, UTF-8 if none is given; raises UnsupportedTypeError."""
        charset = self.parameters.get("charset", "utf-8").lower()
        if charset not in CHARSETS:
            raise UnsupportedTypeError("The charset is not known; expected utf-8, us-ascii or iso-8859-1.")
        return CHARSETS[charset]


@lru_cache(KEPT_HEADERS)
def parse_content_type(header: str | None) -> MediaType:
    """Return a body's media type; raises BadRequestError when the header cannot be read."""
    if header is None or not header.strip():
        return MediaType(DEFAULT_CONTENT_TYPE, {})
    media_types = _scan("Content-Type", header)
    if len(media_types) != 1:
        raise BadRequestError("Content-Type holds more than one media type.")
    return media_types[0]


@lru_cache(KEPT_HEADERS)
def read_content_type(header: str | None) -> MediaType:
    """Return a body's media type with its name as it was sent, and with the fault of one that is none."""
    sent = (header or "").strip() or DEFAULT_CONTENT_TYPE
    try:
        media_type = parse_content_type(header)
    except BadRequestError as error:
        return MediaType(sent.lower(), {}, sent, error.message)
    if media_type.is_text and media_type.parameters.keys() == {"charset"}:
        sent = sent.partition(";")[0].strip()
    return replace(media_type, sent=sent)


@lru_cache(KEPT_HEADERS)
def negotiate(header: str | None, offered: tuple[str, ...]) -> str:
    """Return the offered type that an Accept header likes best; raises NotAcceptableError.

    `offered[0]` answers an absent header and `*/*`. The highest q wins; among equals the more
    exact range, then the range that stands first, then the type that is offered first.
    """
    ranges = _scan("Accept", header or "") or [MediaType(_ANYTHING, {})]
    best, best_rank = "", (0.0, 0, 0)
    for offer in offered:
        rank = _rank(offer, ranges)
        if rank[0] > 0 and rank > best_rank:
            best, best_rank = offer, rank
    if not best:
        raise NotAcceptableError("Accept allows none of " + ", ".join(offered) + ".")
    return best


@lru_cache(KEPT_HEADERS)
def concrete(header: str | None) -> tuple[str, ...]:
    """Return the types that an Accept header names without a wildcard, in its order."""
    return tuple(
        media_type.name for media_type in _scan("Accept", header or "") if "*" not in media_type.name
    )


@lru_cache(KEPT_HEADERS)
def accept_parameters(header: str | None, name: str) -> Mapping[str, str]:
    """Return the parameters that an Accept header gives a type that it names; none without it."""
    ranges = _scan("Accept", header or "")
    return next((media_range.parameters for media_range in ranges if media_range.name == name), {})


def _rank(offer: str, ranges: list[MediaType]) -> tuple[float, int, int]:
    """Return q, exactness and place of the most exact range that covers `offer`; q is 0 for none."""
    main_type = offer.split("/", 1)[0] + "/*"
    matches = []
    for place, media_range in enumerate(ranges):
        exactness = {offer: 3, main_type: 2, _ANYTHING: 1}.get(media_range.name)
        if exactness:
            matches.append((exactness, -place, media_range))
    if not matches:
        return (0.0, 0, 0)
    exactness, place, media_range = max(matches, key=lambda match: match[:2])
    return (_quality(media_range), exactness, place)


def _quality(media_range: MediaType) -> float:
    try:
        quality = float(media_range.parameters.get("q", "1"))
    except ValueError:
        quality = -1
    if not 0 <= quality <= 1:
        raise BadRequestError("Accept has a q that is not a number from 0 to 1.")
    return quality


def _scan(name: str, header: str) -> list[MediaType]:
    """Return the comma-separated media types of a header; empty elements are skipped."""
    if len(header) > LONGEST_HEADER:
        raise BadRequestError(f"{name} is longer than {LONGEST_HEADER} characters.")
    media_types = []
    position = 0
    while position < len(header):
        if header[position] in ", \t":
            position += 1
            continue
        match = _TYPE.match(header, position)
        if not match:
            raise BadRequestError(f"{name} is not a media type.")
        parameters, position = _scan_parameters(name, header, match.end())
        name_or_word = match[1].lower()
        media_types.append(MediaType(_NAMES.get(name_or_word, name_or_word), parameters))
    return media_types


def _scan_parameters(name: str, header: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while position < len(header) and header[position] == ";":
        match = _PARAMETER.match(header, position + 1)
        if match:
            value = match[2]
            parameters[match[1].lower()] = _ESCAPE.sub(r"\1", value[1:-1]) if value[0] == '"' else value
            position = match.end()
        else:  # RFC 9110 lets a semicolon stand alone
            position += 1
            while position < len(header) and header[position] in " \t":
                position += 1
    if position < len(header) and header[position] != ",":
        raise BadRequestError(f"{name} has a parameter that cannot be read.")
    return parameters, position
