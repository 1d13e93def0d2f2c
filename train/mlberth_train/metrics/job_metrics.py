"""The metrics of one job: found in its output while it runs, summarized at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand
from mlberth.contract.environment import Environment
from mlberth_train.log import WARNING, Log
from mlberth_train.metrics.definitions import Definition, read_definitions
from mlberth_train.report import files

# Few jobs have definitions, and a job waits for none of these.
if TYPE_CHECKING:
    from mlberth_train.metrics import summary, tap
else:
    summary = OnDemand("mlberth_train.metrics.summary")
    tap = OnDemand("mlberth_train.metrics.tap")

OBJECTIVE = "_tuning_objective_metric"
_PATIENCE, _LAST_SECONDS = 30.0, 2.0
"""How long the last lines may take; and those of a job that was stopped, which the platform kills soon."""


class JobMetrics(NamedTuple):
    """What a job says of its metrics."""

    definitions: list[Definition]
    problems: list[str]
    objective: str | None
    """The metric that a tuner looks at."""
    file: Path
    host: str
    is_first: bool = True
    """Whether this `train` keeps the file and the plot, in which others of the host only write."""

    @classmethod
    def of(
        cls,
        environment: Environment,
        specification: Path | None = None,
        regexes: Mapping[str, str] | None = None,
    ) -> JobMetrics:
        """Return the metrics of a job; what is wrong with its definitions is a warning, and fails no job.

        `regexes` are those of an algorithm, by name; the job's own count before them.
        """
        definitions, problems = read_definitions(environment.layout, specification)
        own = {definition.name for definition in definitions}
        definitions += [Definition(*item) for item in (regexes or {}).items() if item[0] not in own]
        objective = environment.parameters.platform.get(OBJECTIVE)
        hosts = environment.hosts
        file = environment.layout.metrics(hosts.current if hosts.rank else "")
        name = None if objective in (None, "") else str(objective)
        return cls(definitions, problems, name, file, hosts.current)

    @property
    def text(self) -> str:
        """What is looked for in the output, and the objective, for a line of text; "" for nothing."""
        names = ", ".join(definition.name for definition in self.definitions)
        parts = [f"{names} (by MetricDefinitions)"] if names else []
        return "; ".join([*parts, f"the objective is {self.objective}"] if self.objective else parts)

    def of_a_neighbour(self) -> JobMetrics:
        """Return these metrics for another `train` of the same host."""
        return self._replace(is_first=False, problems=[])

    def start(self, log: Log) -> tap.Tap | None:
        """Remove what an earlier run left, and start what looks for metrics in the output, if needed."""
        if self.is_first:
            files.clear(log, self.file, self.file.with_suffix(".svg"))
        for problem in self.problems:
            log.write(WARNING, problem)
        if not self.definitions:
            return None
        try:
            return tap.start_tap(self.definitions, self.file, {"host": self.host}, log)
        except OSError as error:  # no process left
            log.write(WARNING, f"No metrics are looked for in the output: {error.strerror}")
            return None

    def end(self, reader: tap.Tap | None, log: Log, *, stopped: bool) -> summary.Summary | None:
        """Wait for the last metrics, draw them and return their last values; nothing here fails a job."""
        if reader:
            reader.finish(_LAST_SECONDS if stopped else _PATIENCE)
            if reader.lost:
                why = "they came too fast, or in lines of more than 64 KiB"
                log.write(WARNING, f"{reader.lost} bytes of output were not searched for metrics: {why}")
        if not self.is_first or (not self.objective and not self.file.exists()):
            return None
        try:
            return summary.summarize(self.file, self.objective, log, leader=self.host)
        except Exception as error:  # noqa: BLE001 - the job has ended, and its outcome counts
            log.write(WARNING, f"The metrics in {self.file} cannot be summarized: {error!r}")
            return None
