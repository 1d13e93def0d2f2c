"""The length of a minute of scaling, which can be set for tests."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = "MLBERTH_METRIC_MINUTE_SECONDS"
_LEAST, _MOST = 1 / 16, 3600.0


def minute_seconds(environ: Mapping[str, str]) -> float:
    """Return how long a minute is, in seconds. Raises ValueError."""
    text = environ.get(VARIABLE, "").strip()
    try:
        found = float(text) if text else 60.0
    except ValueError:
        found = 0.0
    if not _LEAST <= found <= _MOST:
        raise ValueError(f"{VARIABLE} is {text!r}; expected seconds, {_LEAST} to {_MOST:.0f}")
    # In sixteenths the start of every period has an exact number.
    return round(found * 16) / 16
