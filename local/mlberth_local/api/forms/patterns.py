"""The patterns of service models, which are Java's, as Python's regular expressions."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache

_ASCII_CLASSES = {
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Print": r"\x20-\x7e",
    "ASCII": r"\x00-\x7f",
}
_IN_CLASS = re.compile(r"\\p\{(\w+)\}")
_SURROGATE_PAIRS = r"\uD800\uDC00-\uDBFF\uDFFF"


@lru_cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    r"""Return the pattern for `fullmatch`; None if Python cannot express it.

    Java's classes of Unicode categories (`\p{L}`) are spelled out; pairs of surrogates are one character.
    """
    text = pattern.replace(_SURROGATE_PAIRS, r"\U00010000-\U0010FFFF")
    text = text.replace(r"\z", r"\Z").replace(r"[\w-_]", r"[\w\-]").replace("${1,", "{1,")
    parts, inside, position = [], False, 0
    for found in re.finditer(r"\\p\{\w+\}|\\.|[\[\]]", text, re.DOTALL):
        parts.append(text[position : found.start()])
        position = found.end()
        piece = found[0]
        if name := _IN_CLASS.fullmatch(piece):
            ranges = _ASCII_CLASSES.get(name[1]) or _category(name[1])
            piece = ranges if inside else f"[{ranges}]"
        elif piece in "[]":
            inside = piece == "["
        parts.append(piece)
    try:
        return re.compile("".join(parts) + text[position:], re.ASCII)
    except re.error:
        return None


@lru_cache
def _category(name: str) -> str:
    """Return the ranges of a Unicode category (`L`, `Zs`), to stand between brackets."""
    ranges: list[str] = []
    start: int | None = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code)).startswith(name)
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(ranges)
