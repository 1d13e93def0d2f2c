"""The parts of a multipart upload, in a folder of `.uploads/`: written where they will be in the object.

That needs parts of one size. Any other part, or one that is sent again, gets a file of its own; then the
parts are copied into one file in the end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from mlberth_local.bodies import Place, ReceivedBody
from mlberth_local.files import write_atomically, write_ranges
from mlberth_local.http_request import whole_number
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets
from mlberth_local.s3.conditions import check_owner
from mlberth_local.s3.errors import no_such_upload

MOST_PARTS = 10_000
_LARGEST_FILE = 1 << 42
_ID = re.compile(r"[0-9a-f]{32}")
START = "upload.json"
_SIZE = "size"
"""The file with the size of the first part that came."""
_WHOLE = "whole"


@dataclass(frozen=True)
class Part:
    """A part that was received."""

    number: int
    path: Path
    start: int | None
    """Its byte in the file of the whole; None if it has a file of its own."""
    size: int
    modified: float
    md5: str
    checksums: dict[str, str]

    @property
    def etag(self) -> str:
        """The ETag as headers have it."""
        return f'"{self.md5}"'


def open_upload(platform: Platform, request: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the folder of an upload and how it began. Raises NoSuchUpload."""
    check_owner(platform, request)
    if not _ID.fullmatch(request["UploadId"]):
        raise no_such_upload()
    folder = platform.buckets / buckets.UPLOADS / request["UploadId"]
    try:
        start = json.loads((folder / START).read_bytes())
    except OSError as error:
        raise no_such_upload() from error
    if (start["Bucket"], start["Key"]) != (request["Bucket"], request["Key"]):
        raise no_such_upload()
    return folder, start


def place(platform: Platform, query: Mapping[str, str], size: int | None) -> Place | None:
    """Return where a part is written that is about to come in; None if it needs a file of its own."""
    name, number = query.get("uploadId", ""), whole_number(query.get("partNumber", "")) or 0
    folder = platform.buckets / buckets.UPLOADS / name
    if not size or not _ID.fullmatch(name) or not 1 <= number <= MOST_PARTS:
        return None
    with buckets.lock():
        if not (folder / START).exists():
            return None
        all_sizes = folder / _SIZE
        if not all_sizes.exists():
            all_sizes.write_text(str(size))
        usual = int(all_sizes.read_text())
        taken = folder / f"{number:05}.taken"
        start = (number - 1) * usual
        if size > usual or start + size > _LARGEST_FILE or taken.exists():
            return None
        taken.touch()
    return Place(folder / _WHOLE, start)


def keep(folder: Path, number: int, body: ReceivedBody) -> Part:
    """Record a part; a file of its own gets its place. An earlier part of the number is replaced."""
    record = folder / f"{number:05}.json"
    facts = {"start": body.place.start, "size": body.size, "md5": body.md5, "checksums": dict(body.checksums)}
    with buckets.lock():
        try:
            if body.place.start is None:
                body.place.path.replace(folder / f"{number:05}")
            write_atomically(record, json.dumps(facts).encode())
        except FileNotFoundError as error:  # completed or aborted in the meantime
            raise no_such_upload() from error
    return _part(record)


def _part(record: Path) -> Part:
    facts = json.loads(record.read_bytes())
    path = record.with_suffix("") if facts["start"] is None else record.with_name(_WHOLE)
    return Part(int(record.stem), path, modified=record.stat().st_mtime, **facts)


def parts_of(folder: Path) -> dict[int, Part]:
    """Return the parts that an upload has, by their numbers."""
    found = (_part(record) for record in sorted(folder.glob("[0-9]*.json")))
    return {part.number: part for part in found}


def join(parts: list[Part], folder: Path) -> Path:
    """Return the file that has the parts one after another, on disk; they are copied only if they are not."""
    ends = list(accumulate(part.size for part in parts))
    starts = [0, *ends[:-1]]
    if [part.start for part in parts] == starts:
        with (folder / _WHOLE).open("r+b") as whole:
            whole.truncate(ends[-1])
            os.fsync(whole.fileno())
        return folder / _WHOLE
    joined = folder / "joined"
    joined.unlink(missing_ok=True)
    write_ranges(joined, [(part.path, part.start or 0, part.size) for part in parts])
    return joined
