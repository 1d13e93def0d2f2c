"""Slurm's short form of lists: `node[01-03,7],login` of hosts, and `2(x3),1` of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST = 2**16
"""Hosts in a list; `[0-99999999]` must not take all memory."""
_PART = re.compile(r"[^,\[\]]*(?:\[[^\[\]]*\][^,\[\]]*)*")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_COUNT = re.compile(r"([0-9]{1,9})(?:\(x([0-9]{1,9})\))?")


def expand_hosts(text: str) -> list[str]:
    """Return the names in a host list, in its order; raises ValueError for what is none."""
    found: list[str] = []
    for part in _split(text):
        for name in _expand(part):
            found.append(name)
            if len(found) > MOST:
                raise ValueError(f"a list of more than {MOST} hosts")
    return found


def expand_counts(text: str) -> list[int]:
    """Return the numbers in a list such as `2(x3),1`; raises ValueError for what is none."""
    found: list[int] = []
    for part in text.split(","):
        match = _COUNT.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part!r}, which is no list")
        times = int(match[2] or 1)
        if len(found) + times > MOST:
            raise ValueError(f"a list of more than {MOST} hosts")
        found += [int(match[1])] * times
    return found


def _split(text: str) -> Iterator[str]:
    """Yield the parts between the commas that are in no bracket."""
    position = 0
    while True:
        match = _PART.match(text, position)
        assert match
        if not match[0] or (match.end() < len(text) and text[match.end()] != ","):
            raise ValueError(f"{text!r}, which is no list")
        yield match[0]
        if match.end() == len(text):
            return
        position = match.end() + 1


def _expand(part: str) -> Iterator[str]:
    bracket = _BRACKET.search(part)
    if bracket is None:
        yield part
        return
    before, after = part[: bracket.start()], part[bracket.end() :]
    for one in bracket[1].split(","):
        match = _RANGE.fullmatch(one)
        if match is None:
            raise ValueError(f"{part!r}, which is no list")
        first, last = match[1], match[2] or match[1]
        if int(last) < int(first) or int(last) - int(first) >= MOST:
            raise ValueError(f"{part!r}, which is no list")
        for number in range(int(first), int(last) + 1):
            for rest in _expand(after):
                yield f"{before}{number:0{len(first)}}{rest}"
