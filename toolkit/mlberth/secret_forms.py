"""The forms that a secret's value takes in text: as it is, line by line, quoted, escaped and encoded."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Iterator

SHORTEST = 6
"""What is shorter is left alone: hiding every "1" would destroy the text."""
_SHORTEST_LINE = 8
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
# What programs leave as it is beside these: nothing, a path's slashes, or all that a part of a URL may hold.
_SAFE = (b"", b"/", b"!$&'()*+,;=:@/")
# How many characters of base64 depend on what stands before a value that begins 0, 1 or 2 bytes into a group.
_STRANGERS = (0, 2, 3)
_WRAPPED = 57
"""How many bytes a line of wrapped base64 holds."""


def forms(values: Iterable[str]) -> list[str]:
    """Return every form of some values, the longest first; none is shorter than SHORTEST."""
    found = {form for value in values for base in _bases(value) for form in _forms(base)}
    return sorted((form for form in found if len(form) >= SHORTEST), key=len, reverse=True)


def _bases(value: str) -> set[str]:
    """Return a value, and what of it can stand alone: without the blanks around it, and each longer line."""
    if len(value) < SHORTEST:
        return set()
    lines = [line.strip() for line in value.splitlines()]
    return {value, value.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}


def _forms(text: str) -> Iterator[str]:
    once = set(_escaped(text))
    yield from once
    # As where what was printed so is put into JSON, or into a message that is printed so in turn.
    for form in once:
        yield from _escaped(form)
    data = text.encode(errors="surrogateescape" if _is_environ(text) else "backslashreplace")
    yield data.decode(errors="replace")  # what we read of a program's output
    yield from _quoted(data)
    yield from _base64(data)


def _is_environ(text: str) -> bool:
    """Return whether a text is one that a variable can hold: bytes that are no UTF-8 are half surrogates."""
    return all(not "\ud800" <= letter <= "\udfff" or "\udc80" <= letter <= "\udcff" for letter in text)


def _escaped(text: str) -> Iterator[str]:
    """Yield a text as Python, JSON and a shell write it between quotation marks."""
    yield text
    data = text.encode(errors="backslashreplace")
    # What is written with it decides which quotation marks are escaped: parts without one have none that is.
    parts = text.split("'")
    for plain in (
        "'".join(repr(part)[1:-1] for part in parts),
        "'".join(ascii(part)[1:-1] for part in parts),
        "'".join(repr(part)[2:-1] for part in data.split(b"'")),
    ):
        yield plain
        yield plain.replace("'", "\\'")
    for ensure_ascii in (True, False):
        written = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        yield written
        yield written.replace("/", "\\/")
    yield text.replace("'", "'\"'\"'")


def _quoted(data: bytes) -> Iterator[str]:
    """Yield bytes as a URL has them."""
    for safe in _SAFE:
        kept = _UNRESERVED.union(safe)
        written = [chr(byte) if byte in kept else f"%{byte:02X}" for byte in data]
        yield "".join(written)
        yield "".join(written).replace("%20", "+")
        yield "".join(part.lower() if len(part) > 1 else part for part in written)


def _base64(data: bytes) -> Iterator[str]:
    """Yield bytes in base64, alone and in the middle of others, in both alphabets."""
    for before, strangers in enumerate(_STRANGERS):
        whole = binascii.b2a_base64(bytes(before) + data, newline=False)
        sure = (before + len(data)) * 8 // 6
        texts = [whole[strangers:sure], *([whole] if not before else [])]
        for text in texts:
            yield text.decode()
            yield text.translate(bytes.maketrans(b"+/", b"-_")).decode()
    for at in range(0, len(data), _WRAPPED) if len(data) > _WRAPPED else ():
        yield binascii.b2a_base64(data[at : at + _WRAPPED], newline=False).decode()
