"""Records of a transform: what is sent of each, and what becomes of its answer."""

from __future__ import annotations

import csv
import io
import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlberth_local.transform.json_path import JsonPath, JsonPathError

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, JSON_LINES)
_INPUT, _OUTPUT = "SageMakerInput", "SageMakerOutput"
_AS_THEY_ARE = "surrogateescape"
_LINE_END = "\r\n"


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
                return _text(self.input_filter.follow_row(row) for row in _rows_of(record))
            return _compact(self.input_filter.follow(_parsed(record.body)))
        except JsonPathError as error:
            raise TransformError(f"InputFilter {error}") from None

    def results(self, records: Sequence[Record], answer: bytes, sender: str = "") -> list[bytes]:
        """Return what is stored for each record of a request. Raises TransformError, which names `sender`."""
        name = f"the answer of {sender}" if sender else "the answer"
        rows = [_rows_of(record) for record in records] if self.media_type == CSV else []
        count = sum(map(len, rows)) if rows else len(records)
        try:
            parts = _answers(answer, self.media_type, count)
        except TransformError as error:
            raise TransformError(f"{name} is {error}") from None
        if len(parts) != count:
            raise TransformError(f"{name} has {len(parts)} records for {count} that were sent")
        try:
            if rows:
                found = iter(parts)
                return [_text(self._row(row, next(found)) for row in given) for given in rows]
            return [self._value(record, part) for record, part in zip(records, parts, strict=True)]
        except JsonPathError as error:
            raise TransformError(f"OutputFilter {error}") from None

    def _row(self, given: list[str], answer: list[str]) -> list[str]:
        return self.output_filter.follow_row([*given, *answer] if self.joins else answer)

    def _value(self, record: Record, answer: Any) -> bytes:
        joined = _joined(_parsed(record.body), answer) if self.joins else answer
        return _compact(self.output_filter.follow(joined))


def _joined(given: Any, answer: Any) -> dict[str, Any]:
    # The name is the platform's: a member of the input that is called so is replaced.
    return {**given, _OUTPUT: answer} if isinstance(given, dict) else {_INPUT: given, _OUTPUT: answer}


def _answers(answer: bytes, media_type: str, count: int) -> list[Any]:
    if media_type == CSV:
        return _rows(answer)
    if media_type == JSON and count == 1:
        return [_parsed(answer)]
    # Only LF parts lines: the texts of JSON may hold what else Unicode takes for the end of one.
    return [_parsed(line) for line in answer.split(b"\n") if line.strip()]


def _rows_of(record: Record) -> list[list[str]]:
    """Return the rows of a record: one, unless it is a whole object."""
    return _rows(record.body) or [[]]


def _rows(body: bytes) -> list[list[str]]:
    """Return the rows that are not empty. Bytes that are not UTF-8 stay what they are."""
    csv.field_size_limit(sys.maxsize)  # the module's own is 128 KiB, for all of the process
    # A mark of the encoding at the start is no part of the first cell, whose quotes would be lost.
    text = body.removeprefix(BOM_UTF8).decode(errors=_AS_THEY_ARE)
    # Nearly every record is one line, and a file of it would take longer than all else.
    lines = io.StringIO(text, newline="") if b"\n" in body or b"\r" in body else (text,)
    try:
        return [row for row in csv.reader(lines) if row]
    except csv.Error as error:
        raise TransformError(f"not valid CSV: {error}") from None


def _text(rows: Iterable[list[str]]) -> bytes:
    """Return rows as text, parted by LF."""
    return "\n".join([_row_text(row) for row in rows]).encode(errors=_AS_THEY_ARE)


def _row_text(row: list[str]) -> str:
    # The ends of lines are what a cell is quoted for.
    text = io.StringIO()
    csv.writer(text, lineterminator=_LINE_END).writerow(row)
    return text.getvalue().removesuffix(_LINE_END)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TransformError(f"not valid JSON: {error}") from None


def _compact(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character, which JSON can escape, and UTF-8 cannot write
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError as error:
        raise TransformError(f"JSON that is too deep: {error}") from None
