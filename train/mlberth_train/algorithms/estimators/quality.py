"""Lines of the log that say how good a model is, as the platform's algorithms print them.

    #quality_metric: host=algo-1, epoch=0, train mse_objective <loss>=0.25

The platform's own regular expressions find the numbers in them; `regexes` has the same for a job without any.
"""

from __future__ import annotations

from collections.abc import Iterable

LOSS, SCORE = "loss", "score"


def report(host: str, split: str, name: str, value: float, kind: str, *, epoch: int | None = None) -> None:
    """Print a metric of `train`, `validation` or `test`; `kind` is LOSS, or SCORE if more is better."""
    place = "" if epoch is None else f" epoch={epoch},"
    _write(f"#quality_metric: host={host},{place} {split} {name} <{kind}>={value!r}")


def report_progress(host: str, done: int, total: int) -> None:
    """Print how much of the training is done."""
    _write(f"#progress_metric: host={host}, completed {100 * done / total:g} % of epochs")


def regexes(splits: Iterable[str], names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the regular expressions of metrics, by `SPLIT:NAME`; `names` are pairs of that and a kind."""
    pairs = list(names)
    return {
        f"{split}:{name}": rf"#quality_metric: host=\S+, {split} {name} <{kind}>=(\S+)"
        for split in splits
        for name, kind in pairs
    }


def _write(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the output is where the platform looks for it
