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


class AdaptiveBatchSize:
    """An estimate of what one request takes, and of what each further one adds."""

    def __init__(self, maximum: int) -> None:
        self.allowed = 1
        """How many may be taken now: at least 1.

        Cheap requests share a call. If each one adds as much as the first has taken, and that is
        long, the next is left to another worker, which may be free.
        """
        self._max = maximum
        self._first = 0.0
        self._further: float | None = None
        self._backlog = 0
        self._until_try = _BACKLOG

    def _worth_it(self) -> int:
        further = self._first if self._further is None else self._further
        delay = max(_DELAY_SECONDS, self._first * _SHARE)
        # Compared first, since `further` may be 0.
        return self._max if further * self._max <= delay else 1 + int(delay / further)

    def note(self, count: int, seconds: float, *, waiting: bool) -> None:
        """Learn from a batch; `waiting` tells whether the queue was not empty after it was taken."""
        self._backlog = self._backlog + 1 if waiting and count == 1 else 0
        if count == 1:
            # Down at once: the first request of a process may take seconds. Up by and by.
            self._first = min(seconds, self._first + _WEIGHT * (seconds - self._first)) or seconds
        else:
            self._first = min(self._first or seconds, seconds)
            further = (seconds - self._first) / (count - 1)
            before = further if self._further is None else self._further
            self._further = before + _WEIGHT * (further - before)
            if self._worth_it() == 1:
                self._until_try *= _PATIENCE
        allowed = self._worth_it() if self._first else 1
        if allowed == 1 and self._backlog >= self._until_try:
            allowed = 2
        self.allowed = min(allowed, self._max)
