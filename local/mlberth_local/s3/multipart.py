"""Multipart uploads: a folder in `.uploads/` with a file for each part."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlberth_local.bodies import ReceivedBody
from mlberth_local.errors import ServiceError
from mlberth_local.files import write_atomically, write_ranges
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, checksums
from mlberth_local.s3.conditions import check_owner, check_write, read_range
from mlberth_local.s3.errors import invalid_argument, no_such_upload
from mlberth_local.s3.names import check_key
from mlberth_local.s3.objects import copy_source, kept_headers, tags_of, upload_file
from mlberth_local.s3.records import Record

SMALLEST_PART = 5 * 1024 * 1024
"""Of all parts but the last, in bytes."""
MOST_PARTS = 10_000
_ID = re.compile(r"[0-9a-f]{32}")
_START = "upload.json"


@dataclass(frozen=True)
class _Part:
    """A part that was received; its facts are in the name of its file."""

    number: int
    path: Path
    size: int
    modified: float
    md5: str
    checksums: dict[str, str]

    @property
    def etag(self) -> str:
        return f'"{self.md5}"'


def create_multipart_upload(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Begin an upload."""
    check_owner(platform, request)
    check_key(request["Key"])
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    name = uuid4().hex
    folder = platform.buckets / buckets.UPLOADS / name
    folder.mkdir(parents=True)
    start = {
        "Bucket": request["Bucket"],
        "Key": request["Key"],
        "Initiated": platform.clock(),
        "headers": kept_headers(request),
        "metadata": request.get("Metadata") or {},
        "tags": tags_of(request.get("Tagging")),
        "algorithm": request.get("ChecksumAlgorithm"),
        "checksum_type": request.get("ChecksumType"),
    }
    write_atomically(folder / _START, json.dumps(start).encode())
    answer = {
        name: start["headers"][name]
        for name in ("ServerSideEncryption", "SSEKMSKeyId")
        if name in start["headers"]
    }
    if start["algorithm"]:
        answer["ChecksumAlgorithm"] = start["algorithm"]
    return {"Bucket": request["Bucket"], "Key": request["Key"], "UploadId": name, **answer}


def _open(platform: Platform, request: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return the folder of an upload and how it began. Raises NoSuchUpload."""
    check_owner(platform, request)
    if not _ID.fullmatch(request["UploadId"]):
        raise no_such_upload()
    folder = platform.buckets / buckets.UPLOADS / request["UploadId"]
    try:
        start = json.loads((folder / _START).read_bytes())
    except OSError as error:
        raise no_such_upload() from error
    if (start["Bucket"], start["Key"]) != (request["Bucket"], request["Key"]):
        raise no_such_upload()
    return folder, start


def upload_part(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take a body as a part."""
    folder, _ = _open(platform, request)
    body: ReceivedBody = request["Body"]
    part = _keep(folder, _number(request), body.path, body.md5, dict(body.checksums))
    return {"ETag": part.etag, **checksums.members(part.checksums)}


def _number(request: Mapping[str, Any]) -> int:
    number = int(request["PartNumber"])
    if not 1 <= number <= MOST_PARTS:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
    return number


def _keep(folder: Path, number: int, source: Path, md5: str, sums: dict[str, str]) -> _Part:
    """Give a file its place as a part; an earlier one of the number is replaced."""
    path = folder / f"{number:05}"
    record = folder / f"{number:05}.json"
    with buckets.lock():
        record.unlink(missing_ok=True)
        try:
            source.replace(path)
            record.write_text(json.dumps({"md5": md5, "checksums": sums}))
        except FileNotFoundError as error:  # completed or aborted in the meantime
            raise no_such_upload() from error
    return _part(record)


def _part(record: Path) -> _Part:
    facts, path = json.loads(record.read_bytes()), record.with_suffix("")
    status = path.stat()
    return _Part(int(path.name), path, status.st_size, status.st_mtime, facts["md5"], facts["checksums"])


def _parts(folder: Path) -> dict[int, _Part]:
    found = (_part(record) for record in sorted(folder.glob("[0-9]*.json")))
    return {part.number: part for part in found}


def upload_part_copy(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take a range of an object as a part."""
    folder, _ = _open(platform, request)
    number = _number(request)
    source = copy_source(platform, request)
    first, size = read_range(request.get("CopySourceRange"), source.size) or (0, source.size)
    temporary = upload_file(platform)
    try:
        write_ranges(temporary, [(source.path, first, size)])
        part = _keep(folder, number, temporary, _md5(temporary), {})
    finally:
        temporary.unlink(missing_ok=True)
    return {"CopyPartResult": {"ETag": part.etag, "LastModified": part.modified}}


def _md5(path: Path) -> str:
    total = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            total.update(chunk)
    return total.hexdigest()


def complete_multipart_upload(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make an object of the parts that the request lists."""
    folder, start = _open(platform, request)
    chosen = _chosen(request, _parts(folder))
    digest = hashlib.md5(
        b"".join(bytes.fromhex(part.md5) for part in chosen), usedforsecurity=False
    ).hexdigest()
    sums = checksums.given(request) or checksums.composite((part.checksums for part in chosen), len(chosen))
    record = Record(
        start["Key"],
        f"{digest}-{len(chosen)}",
        start["headers"],
        start["metadata"],
        sums,
        start["tags"],
        len(chosen),
    )
    whole = folder / "whole"
    whole.unlink(missing_ok=True)
    _join(chosen, whole)
    with buckets.lock():
        check_write(request, buckets.find_or_none(platform.buckets, start["Bucket"], start["Key"]))
        found = buckets.put(platform.buckets, start["Bucket"], whole, record)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "Location": f"http://{request['Bucket']}.s3.amazonaws.com/{request['Key']}",
        "Bucket": request["Bucket"],
        "Key": request["Key"],
        "ETag": found.quoted_etag,
        **checksums.members(sums),
    }


def _chosen(request: Mapping[str, Any], there: Mapping[int, _Part]) -> list[_Part]:
    wanted = (request.get("MultipartUpload") or {}).get("Parts") or []
    if not wanted:
        raise ServiceError("MalformedXML", "You must specify at least one part")
    numbers = [one.get("PartNumber") for one in wanted]
    if numbers != sorted(set(numbers)):
        text = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise ServiceError("InvalidPartOrder", text)
    for one in wanted:
        part = there.get(one["PartNumber"])
        if part is None or one.get("ETag", "").strip('"') != part.md5:
            text = (
                "One or more of the specified parts could not be found. The part may not have been uploaded, "
                "or the specified entity tag may not match the part's entity tag."
            )
            raise ServiceError("InvalidPart", text)
    chosen = [there[number] for number in numbers]
    if any(part.size < SMALLEST_PART for part in chosen[:-1]):
        raise ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return chosen


def _join(parts: list[_Part], whole: Path) -> None:
    """Write the parts one after another; a single one needs no copy."""
    if len(parts) == 1:
        os.link(parts[0].path, whole)
        return
    write_ranges(whole, [(part.path, 0, part.size) for part in parts])


def abort_multipart_upload(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Forget an upload and its parts."""
    folder, _ = _open(platform, request)
    shutil.rmtree(folder, ignore_errors=True)
    return {}


def list_parts(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the parts that were received."""
    folder, start = _open(platform, request)
    marker, most = int(request.get("PartNumberMarker") or 0), min(int(request.get("MaxParts") or 1000), 1000)
    there = [part for number, part in _parts(folder).items() if number > marker]
    page = there[:most]
    return {
        "Bucket": start["Bucket"],
        "Key": start["Key"],
        "UploadId": request["UploadId"],
        "PartNumberMarker": str(marker),
        "NextPartNumberMarker": str(page[-1].number if page else 0),
        "MaxParts": most,
        "IsTruncated": len(there) > most,
        "StorageClass": "STANDARD",
        "Parts": [
            {"PartNumber": part.number, "LastModified": part.modified, "ETag": part.etag, "Size": part.size}
            for part in page
        ],
    }


def list_multipart_uploads(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the uploads to a bucket that are not complete."""
    check_owner(platform, request)
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    prefix = request.get("Prefix") or ""
    found = []
    for path in sorted((platform.buckets / buckets.UPLOADS).glob(f"*/{_START}")):
        start = json.loads(path.read_bytes())
        if start["Bucket"] == request["Bucket"] and start["Key"].startswith(prefix):
            found.append({"Key": start["Key"], "UploadId": path.parent.name, "Initiated": start["Initiated"]})
    found.sort(key=lambda one: (one["Key"], one["Initiated"]))
    return {
        "Bucket": request["Bucket"],
        "Prefix": prefix,
        "IsTruncated": False,
        "MaxUploads": 1000,
        "Uploads": found,
    }
