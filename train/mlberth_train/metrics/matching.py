"""Regular expressions applied to lines, none of them for longer than it may take."""

from __future__ import annotations

import math
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

from mlberth.metrics.lines import PREFIX
from mlberth_train.metrics.definitions import Definition

LIMIT_SECONDS = 1.0
"""Of CPU time for one regex on one line; one that needs more backtracks without end."""


class _TooSlowError(Exception):
    pass


class Matcher:
    """Finds metrics in lines; a definition that does not work is left out, with one warning.

    Runs in the main thread of its process, since it is stopped by a signal.
    """

    def __init__(
        self, definitions: Iterable[Definition], warn: Callable[[str], object], limit: float = LIMIT_SECONDS
    ) -> None:
        self._warn = warn
        self._limit = limit
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._no_numbers: set[str] = set()
        for name, regex in definitions:
            try:
                self._patterns[name] = re.compile(regex)
            except (re.error, RecursionError, OverflowError) as error:
                warn(f"The regex of the metric {name!r} cannot be read ({error}). It is not applied.")
        # `re` lets handlers run every few thousand steps, and passes on what they raise.
        signal.signal(signal.SIGVTALRM, _stop)

    def find(self, line: str) -> Iterator[tuple[str, float]]:
        """Yield the metrics in a line."""
        # What mlberth.metrics.log prints, behind the prefix of a rank too, it has recorded with the step.
        own = line[line.find(PREFIX) :] if PREFIX in line else ""
        # The platform's log shows a tab as #011, and the regexes of its own algorithms look for that.
        escaped = line.replace("\t", "#011") if "\t" in line else ""
        for name, pattern in list(self._patterns.items()):
            if f" {name}=" in own:
                continue
            match = self._search(name, pattern, line)
            if match is None and escaped and name in self._patterns:
                match = self._search(name, pattern, escaped)
            if match is None:
                continue
            text = match[1] if pattern.groups else match[0]
            try:
                number = float((text or "").strip())
            except ValueError:
                self._not_a_number(name, text)
            else:
                yield name, number if math.isfinite(number) else math.nan

    def _search(self, name: str, pattern: re.Pattern[str], line: str) -> re.Match[str] | None:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._limit)
            try:
                return pattern.search(line)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except _TooSlowError:
            del self._patterns[name]
            text = f"The regex of the metric {name!r} took more than {self._limit:g} s for one line"
            self._warn(f"{text} of {len(line)} characters. It is not applied any more; make it simpler.")
            return None

    def _not_a_number(self, name: str, text: str | None) -> None:
        if name not in self._no_numbers:
            self._no_numbers.add(name)
            shown = repr(text[:60]) if text else "nothing"
            action = "Let the first group match the number alone."
            self._warn(f"The metric {name!r}: found {shown}; expected a number. {action}")


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
    raise _TooSlowError
