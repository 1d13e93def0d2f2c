"""LIBSVM text: a line is `label:weight qid:group column:value …`, where weight and group may be absent.

In files columns are what XGBoost's own reader takes them for, counted from 0. In bodies the first cell is no
label where it has a colon, and columns count from 1 if none is 0, as the container has it.
"""

from __future__ import annotations

import io
from array import array
from typing import Any, NamedTuple

_WIDEST = 2**31 - 1


class Rows(NamedTuple):
    """What a text holds; each of the last three is None if no line has it."""

    features: Any
    """A csr_matrix: a cell that is not there is missing."""
    label: Any
    weight: Any
    group: Any
    """How many rows each group has, one after the other."""

    def to_dmatrix(self) -> Any:
        """Return XGBoost's matrix of the rows, with all that belongs to them."""
        import xgboost

        return xgboost.DMatrix(self.features, label=self.label, weight=self.weight, group=self.group)


def read_file(text: str) -> Rows:
    """Return the rows of a training file; raises ValueError with the line that cannot be read."""
    return _read(text, is_body=False)


def read_body(text: str) -> Rows:
    """Return the rows of a request's body; raises ValueError with the line that cannot be read."""
    return _read(text, is_body=True)


class _Lines:
    """What lines hold, in flat arrays: as objects the rows would take many times as much."""

    def __init__(self, *, is_body: bool) -> None:
        self._is_body = is_body
        self.labels, self.weights, self.groups = array("d"), array("d"), array("q")
        self.values, self.columns, self.starts = array("f"), array("q"), array("q", [0])

    def add(self, cells: list[str]) -> None:
        """Raise ValueError or OverflowError for what is not numbers."""
        at = 0
        if not (self._is_body and ":" in cells[0]):
            label, colon, weight = cells[0].partition(":")
            self.labels.append(float(label))
            if colon:
                self.weights.append(float(weight))
            at = 1
        if at < len(cells) and cells[at].startswith("qid:"):
            self.groups.append(int(cells[at][4:]))
            at += 1
        for cell in cells[at:]:
            column, _, value = cell.partition(":")
            self.columns.append(int(column))
            self.values.append(float(value))
        self.starts.append(len(self.values))

    def check(self) -> None:
        """Raise ValueError if only some lines have a label, a weight or a group."""
        height = len(self.starts) - 1
        for what, found in (("label", self.labels), ("weight", self.weights), ("qid", self.groups)):
            if len(found) not in {0, height}:
                count = f"{len(found)} of {height} lines of the libsvm text"
                raise ValueError(f"{count} have a {what}; expected all or none")


def _read(text: str, *, is_body: bool) -> Rows:
    import numpy as np

    lines = _Lines(is_body=is_body)
    for number, line in enumerate(io.StringIO(text, newline=None), 1):  # LF, CRLF and CR, no more
        cells = line.partition("#")[0].split()
        try:
            if cells:
                lines.add(cells)
        except (ValueError, OverflowError):
            expected = "expected label:weight qid:group column:value …, weight and group if there are any"
            raise ValueError(
                f"line {number} of the libsvm text is not cells of numbers; {expected}"
            ) from None
    lines.check()
    columns = np.asarray(lines.columns)
    if is_body and len(columns) and columns.min() >= 1:
        columns -= 1
    ends = (np.flatnonzero(np.diff(np.asarray(lines.groups))) + 1).tolist()
    return Rows(
        _to_matrix(np.asarray(lines.values), columns, np.asarray(lines.starts)),
        np.asarray(lines.labels) if lines.labels else None,
        np.asarray(lines.weights) if lines.weights else None,
        np.diff([0, *ends, len(lines.groups)]) if lines.groups else None,
    )


def _to_matrix(values: Any, columns: Any, starts: Any) -> Any:
    from scipy import sparse

    first, last = (int(columns.min()), int(columns.max())) if len(columns) else (0, -1)
    if not 0 <= first <= last + 1 or last > _WIDEST:
        raise ValueError(f"the libsvm text has columns from {first} to {last}; expected 0 to {_WIDEST}")
    matrix = sparse.csr_matrix((values, columns, starts), shape=(len(starts) - 1, last + 1))
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        raise ValueError("a line of the libsvm text has a column twice; expected each once")
    return matrix
