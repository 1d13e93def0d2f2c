"""The load test of one benchmark: samples first, then stage after stage, then the rate that it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mlberth_local.engines.base import Usage
from mlberth_local.job_failure import JobFailure
from mlberth_local.recommendations.generator import Generator, GeneratorError
from mlberth_local.recommendations.load import NO_ANSWER
from mlberth_local.recommendations.measurement import Conditions, Window, chosen
from mlberth_local.recommendations.record import Result
from mlberth_local.recommendations.traffic import Stage

_RATES = (0.95, 0.85, 0.7, 0.5, 0.3)
"""Parts of what users who wait for answers get through: at all of it, a queue would grow without end."""


class PayloadRefusedError(JobFailure):
    """The model does not take a sample; in no other configuration would it."""


@dataclass(frozen=True)
class LoadTest:
    """The load of a benchmark, and what it is judged by."""

    stages: Sequence[Stage]
    conditions: Conditions
    paced_seconds: float
    """For each rate that is tried if there is a threshold; 0 if the stages are the request's own."""
    memory: float
    """Of the instance, in bytes."""
    usage: Callable[[], Usage | None]
    note: Callable[[str], object]
    """Is told a line about each stage."""

    def run(self, generator: Generator) -> Result:
        """Return what the load has shown. Raises JobFailure."""
        try:
            self._probe(generator)
            results = self._stages(generator)
            best = chosen(list(results), self.conditions)
            if not best.answered:
                raise JobFailure(f"AlgorithmError: no request was answered: {best.first_failure}")
            if self.paced_seconds and self.conditions.threshold is not None and results[best].meets:
                return self._paced(generator, best)
        except GeneratorError as error:
            raise JobFailure(f"InternalServerError: {error}") from error
        return results[best]

    def _probe(self, generator: Generator) -> None:
        if refused := generator.probe():
            if refused["reason"].startswith(NO_ANSWER):
                raise JobFailure(f"AlgorithmError: sample {refused['number'] + 1}: {refused['reason']}")
            # The service's words, up to the colon.
            text = "1. Model (owned by the customer in the container) returned 4xx or 5xx error code"
            raise PayloadRefusedError(
                f"INVALID_INPUT : {text}: sample {refused['number'] + 1}: {refused['reason']}"
            )

    def _stages(self, generator: Generator) -> dict[Window, Result]:
        results: dict[Window, Result] = {}
        for stage in self.stages:
            window, result = self._measured(
                f"{stage.users} at a time", stage.users, partial(generator.users, stage.users, stage.seconds)
            )
            results[window] = result
            if end := self.conditions.end(list(results)):
                self.note(end)
                break
        return results

    def _paced(self, generator: Generator, best: Window) -> Result:
        """Return what the highest rate shows at which requests that wait for no other meet the conditions."""
        rate, most = best.answered / best.seconds, max(stage.users for stage in self.stages)
        for part in _RATES:
            _, result = self._measured(
                f"paced at {60 * part * rate:.0f} a minute",
                best.users,
                partial(generator.paced, part * rate, self.paced_seconds, most),
            )
            if result.meets:
                break
        return result

    def _measured(self, load: str, users: int, send: Callable[[], Window]) -> tuple[Window, Result]:
        """Send a load; returns what has come of it, with what the instance has used meanwhile."""
        before = self.usage()
        window = send()
        after = self.usage()
        self.note(f"{load}: {window}")
        cpu = memory = None
        if before and after and after.cpu_seconds >= before.cpu_seconds:
            cpu = 100 * (after.cpu_seconds - before.cpu_seconds) / window.seconds
        if after:
            memory = 100 * after.memory / self.memory
        latency, meets = self.conditions.latency(window), self.conditions.are_met(window)
        return window, Result(window.per_minute, latency, users, window.mean, meets, cpu, memory)
