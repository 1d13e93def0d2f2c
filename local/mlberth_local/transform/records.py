"""Records of a transform: what is sent of each, and what becomes of its answer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlberth_local.transform.json_path import JsonPath, JsonPathError

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, JSON_LINES)
_INPUT, _OUTPUT = "SageMakerInput", "SageMakerOutput"


class TransformError(Exception):
    """An object cannot be transformed; the text says why."""


class Record(NamedTuple):
    """One record of an object."""

    body: bytes
    """Without what separates it from others."""
    frame: bytes
    """As it stands in the object."""


@dataclass(frozen=True)
class DataProcessing:
    """What is sent of each record, and what is stored of each answer."""

    media_type: str
    """Of both: one of FORMATS."""
    input_filter: JsonPath
    output_filter: JsonPath
    joins: bool

    @property
    def changes_nothing(self) -> bool:
        """Whether requests and results stay as they are: some clients always name all that there is."""
        return not self.joins and self.input_filter.is_root and self.output_filter.is_root

    @property
    def changes_output(self) -> bool:
        """Whether an answer has to be taken apart."""
        return self.joins or not self.output_filter.is_root

    def outgoing(self, record: Record) -> bytes:
        """Return what is sent of a record. Raises TransformError."""
        if self.input_filter.is_root:
            return record.body
        try:
            if self.media_type == CSV:
                return _row_text(self.input_filter.follow_row(_row(record.body))).encode()
            return _compact(self.input_filter.follow(_parsed(record.body)))
        except JsonPathError as error:
            raise TransformError(f"InputFilter {error}") from None

    def results(self, records: Sequence[Record], answer: bytes, sender: str = "") -> list[bytes]:
        """Return what is stored for each record of a request. Raises TransformError, which names `sender`."""
        name = f"the answer of {sender}" if sender else "the answer"
        try:
            parts = _answers(answer, self.media_type, len(records))
        except TransformError as error:
            raise TransformError(f"{name} is {error}") from None
        if len(parts) != len(records):
            raise TransformError(f"{name} has {len(parts)} records for {len(records)} that were sent")
        try:
            return [self._result(record, part) for record, part in zip(records, parts, strict=True)]
        except JsonPathError as error:
            raise TransformError(f"OutputFilter {error}") from None

    def _result(self, record: Record, part: Any) -> bytes:
        if self.media_type == CSV:
            row = [*_row(record.body), *part] if self.joins else part
            return _row_text(self.output_filter.follow_row(row)).encode()
        joined = _joined(_parsed(record.body), part) if self.joins else part
        return _compact(self.output_filter.follow(joined))


def _joined(given: Any, answer: Any) -> dict[str, Any]:
    # The name is the platform's: a member of the input that is called so is replaced.
    return {**given, _OUTPUT: answer} if isinstance(given, dict) else {_INPUT: given, _OUTPUT: answer}


def _answers(answer: bytes, media_type: str, count: int) -> list[Any]:
    text = answer.decode(errors="replace")
    if media_type == CSV:
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if media_type == JSON and count == 1:
        return [_parsed(answer)]
    return [_parsed(line.encode()) for line in text.splitlines() if line.strip()]


def _row(body: bytes) -> list[str]:
    return next(csv.reader([body.decode(errors="replace")]), [])


def _row_text(row: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TransformError(f"not valid JSON: {error}") from None


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
