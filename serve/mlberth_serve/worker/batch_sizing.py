"""The number of requests that a worker takes at once, learnt from how long they have taken."""

from __future__ import annotations

_DELAY_SECONDS = 0.002
"""How much longer than alone a request may take for others' sake, if a quarter of its time is less."""
_SHARE = 0.25
_WEIGHT = 0.2
"""Of the latest batch in the averages."""
_BACKLOG = 16
"""After so many turns in a row that left a queue, two are taken to learn what that costs."""
_PATIENCE = 4
"""How many times as many turns pass before the next try, if one was not worth it."""
_MAX_BACKLOG = _BACKLOG * _PATIENCE**3
"""And no more than these: what a batch costs may change, and one bad try proves nothing."""


class AdaptiveBatchSize:
    """An estimate of what one request takes, and of what each further one adds."""

    def __init__(self, maximum: int) -> None:
        self.allowed = 1
        """How many may be taken now: at least 1.

        Cheap requests share a call. If each one adds as much as the first has taken, and that is
        long, the next is left to another worker, which may be free.
        """
        self._max = maximum
        self._first: float | None = None
        self._further: float | None = None
        self._backlog = 0
        self._until_try = _BACKLOG

    def _worth_it(self, first: float) -> int:
        further = first if self._further is None else self._further
        delay = max(_DELAY_SECONDS, first * _SHARE)
        # Compared first, since `further` may be 0.
        return self._max if further * self._max <= delay else 1 + int(delay / further)

    def note(self, count: int, seconds: float, *, waiting: bool) -> None:
        """Learn from requests that were predicted in one call; `waiting` tells whether others were queued.

        What was not joined, or failed, must not be noted: it says nothing of what a batch takes.
        """
        self._backlog = self._backlog + 1 if waiting and count == 1 else 0
        if count == 1:
            self._first = _lower_at_once(self._first, seconds)
        else:
            self._first = seconds if self._first is None else min(self._first, seconds)
            self._further = _lower_at_once(self._further, (seconds - self._first) / (count - 1))
        assert self._first is not None
        allowed = self._worth_it(self._first)
        if count > 1:
            tried = _BACKLOG if allowed > 1 else min(self._until_try * _PATIENCE, _MAX_BACKLOG)
            self._until_try = tried
        if allowed == 1 and self._backlog >= self._until_try:
            allowed = 2
        self.allowed = min(allowed, self._max)


def _lower_at_once(known: float | None, latest: float) -> float:
    """Return an estimate: down at once, since the first calls of a process may take seconds; up by and by."""
    return latest if known is None else min(latest, known + _WEIGHT * (latest - known))
