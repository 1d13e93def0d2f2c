"""The keys of JSON's objects, which name columns: none may stand twice, since orjson keeps the last alone."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from mlberth_serve.errors import BadRequestError

ENVELOPES = {"instances": "predictions", "inputs": ""}
"""What a list may stand under, and what its answer stands under. Of two of them the last is meant."""


def check_keys(text: str | bytes, value: Any, what: str) -> None:
    """Refuse an object with a key that stands twice, in a text whose value holds objects in a list.

    Each key has a colon behind it: where there are no more of them than keys, nothing was lost.
    """
    items = value
    while isinstance(items, dict) and items.keys() <= ENVELOPES.keys():
        items = next(iter(items.values()), None)
    if not isinstance(items, dict) and not (isinstance(items, list) and items and isinstance(items[0], dict)):
        return
    colons = text.count(":") if isinstance(text, str) else text.count(b":")
    if colons > _count(value):
        with suppress(RecursionError):  # deeper than any array
            json.loads(
                text,
                object_pairs_hook=lambda pairs: _refuse_twice(pairs, what),
                parse_int=float,  # Python takes no whole number of more than 4300 digits
            )


def _count(value: Any) -> int:
    """Return how many keys there are, but for those in lists in lists."""
    if isinstance(value, dict):
        return len(value) + sum(map(_count, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sum(map(_count, value))
    return 0


def _refuse_twice(pairs: list[tuple[str, Any]], what: str) -> None:
    keys = {key for key, _ in pairs}
    if len(keys) < len(pairs) and not keys <= ENVELOPES.keys():
        raise BadRequestError(f"{what} has an object with one key twice: one of its columns would be lost.")
