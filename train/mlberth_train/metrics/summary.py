"""The metrics of a job at its end: the last value of each, the objective, and the plot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mlberth._typing import NamedTuple, typing
from mlberth.metrics.plot import collect, write_plot
from mlberth.metrics.records import numbers_of, read_metrics
from mlberth_train.log import WARNING, Log

Record = dict[str, typing.Any]

_MOST = 1000
"""Names; a program that makes one for each step must not fill the memory."""


class Last(NamedTuple):
    """The last value of a metric."""

    value: float
    step: int | None


class Summary(NamedTuple):
    """The last value of each metric, and the one that a tuner asked for."""

    values: dict[str, Last]
    objective: str | None = None

    @property
    def text(self) -> str:
        """The objective for a line of the log, "" without one."""
        last = self.values.get(self.objective or "")
        if last is None:
            return ""
        step = f" at step {last.step}" if last.step is not None else ""
        return f"objective {self.objective} = {last.value:g}{step}"

    def details(self) -> dict[str, typing.Any]:
        """Return what failure.json has of it."""
        last = self.values.get(self.objective or "")
        shown = {"name": self.objective, "value": None, "step": None, **(last._asdict() if last else {})}
        return {
            "objective": shown if self.objective else None,
            "metrics": {name: one.value for name, one in self.values.items()},
        }


def summarize(path: Path, objective: str | None, log: Log, *, leader: str = "") -> Summary:
    """Draw the metrics of a file beside it; return the last values, and warn of a missing objective.

    Of several processes the first rank's value of a metric counts, or else that of the host `leader`.
    """
    values: dict[str, Last] = {}
    charts = collect(_noting(read_metrics(path), values, leader))
    if charts:
        target = path.with_suffix(".svg")
        try:
            write_plot(charts, target, objective)
        except OSError as error:
            log.write(WARNING, f"{target} cannot be written: {error.strerror}")
    if objective and objective not in values:
        found = ", ".join(sorted(values)[:20]) or "none"
        text = f"The objective metric {objective!r} was not found; the metrics that were: {found}."
        action = "Give it a regex in MetricDefinitions, or call mlberth.metrics.log({name: value})."
        log.write(WARNING, f"{text} {action}")
    return Summary(values, objective)


def _noting(records: Iterable[Record], values: dict[str, Last], leader: str) -> Iterator[Record]:
    """Pass records on, and note the last value of each metric in them."""
    by_leader: set[str] = set()
    for record in records:
        step = record.get("step")
        leads = record["rank"] == 0 if "rank" in record else record.get("host") == leader
        for name, value in numbers_of(record).items():
            if (name in values or len(values) < _MOST) and (leads or name not in by_leader):
                values[name] = Last(value, step if isinstance(step, int) else None)
                if leads:
                    by_leader.add(name)
        yield record
