"""The patterns of service models, which are Java's, as Python's regular expressions."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache
from itertools import groupby

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
    found = (run for run in _runs() if run[2].startswith(name))
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last, _ in found)


@lru_cache
def _runs() -> list[tuple[int, int, str]]:
    """Return the first and last code point, and the category, of all runs of one category."""
    runs, start = [], 0
    for category, points in groupby(map(unicodedata.category, map(chr, range(sys.maxunicode + 1)))):
        end = start + sum(1 for _ in points)
        runs.append((start, end - 1, category))
        start = end
    return runs
