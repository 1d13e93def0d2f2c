"""Operations of multipart uploads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlberth_local.bodies import Place, ReceivedBody
from mlberth_local.errors import ServiceError
from mlberth_local.files import write_atomically, write_ranges
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, checksums
from mlberth_local.s3.conditions import check_owner, check_write, read_source_range
from mlberth_local.s3.copies import copy_source
from mlberth_local.s3.errors import invalid_argument
from mlberth_local.s3.listing import page_size
from mlberth_local.s3.names import check_key
from mlberth_local.s3.objects import kept_headers, metadata_of, upload_file
from mlberth_local.s3.parts import MOST_PARTS, START, Part, join, keep, open_upload, parts_of
from mlberth_local.s3.records import Record
from mlberth_local.s3.tagging import tags_of

SMALLEST_PART = 5 * 1024 * 1024
"""Of all parts but the last, in bytes."""


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
        "metadata": metadata_of(request),
        "tags": tags_of(request.get("Tagging")),
        "algorithm": request.get("ChecksumAlgorithm"),
        "checksum_type": request.get("ChecksumType"),
    }
    write_atomically(folder / START, json.dumps(start).encode())
    answer = {
        name: start["headers"][name]
        for name in ("ServerSideEncryption", "SSEKMSKeyId")
        if name in start["headers"]
    }
    if start["algorithm"]:
        answer["ChecksumAlgorithm"] = start["algorithm"]
    return {"Bucket": request["Bucket"], "Key": request["Key"], "UploadId": name, **answer}


def upload_part(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take a body as a part."""
    folder, _ = open_upload(platform, request)
    body: ReceivedBody = request["Body"]
    part = keep(folder, _number(request), body)
    return {"ETag": part.etag, **checksums.members(part.checksums)}


def _number(request: Mapping[str, Any]) -> int:
    number = int(request["PartNumber"])
    if not 1 <= number <= MOST_PARTS:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
    return number


def _md5(path: Path) -> str:
    total = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            total.update(chunk)
    return total.hexdigest()


def upload_part_copy(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take a range of an object as a part."""
    folder, _ = open_upload(platform, request)
    number = _number(request)
    source = copy_source(platform, request)
    first, size = read_source_range(request.get("CopySourceRange"), source.size)
    temporary = upload_file(platform)
    try:
        write_ranges(temporary, [(source.path, first, size)])
        part = keep(folder, number, ReceivedBody(Place(temporary), size, _md5(temporary), {}))
    finally:
        temporary.unlink(missing_ok=True)
    return {"CopyPartResult": {"ETag": part.etag, "LastModified": part.modified}}


def complete_multipart_upload(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make an object of the parts that the request lists."""
    folder, start = open_upload(platform, request)
    chosen = _chosen(request, parts_of(folder))
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
    whole = join(chosen, folder)
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


def _chosen(request: Mapping[str, Any], there: Mapping[int, Part]) -> list[Part]:
    wanted = (request.get("MultipartUpload") or {}).get("Parts") or []
    if not wanted:
        raise ServiceError("MalformedXML", "You must specify at least one part")
    if not all("PartNumber" in one and "ETag" in one for one in wanted):
        raise ServiceError("MalformedXML", "Each part must have its PartNumber and its ETag")
    numbers = [one["PartNumber"] for one in wanted]
    if numbers != sorted(set(numbers)):
        text = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise ServiceError("InvalidPartOrder", text)
    for one in wanted:
        part = there.get(one["PartNumber"])
        if part is None or one["ETag"].strip('"') != part.md5 or not _fits(one, part):
            text = (
                "One or more of the specified parts could not be found. The part may not have been uploaded, "
                "or the specified entity tag may not match the part's entity tag."
            )
            raise ServiceError("InvalidPart", text)
    chosen = [there[number] for number in numbers]
    if any(part.size < SMALLEST_PART for part in chosen[:-1]):
        raise ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    return chosen


def _fits(listed: Mapping[str, Any], part: Part) -> bool:
    """Whether a part has the checksums that it is listed with, as far as it is known to have any."""
    return all(part.checksums.get(name, value) == value for name, value in checksums.given(listed).items())


def abort_multipart_upload(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Forget an upload and its parts."""
    folder, _ = open_upload(platform, request)
    shutil.rmtree(folder, ignore_errors=True)
    return {}


def list_parts(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the parts that were received."""
    folder, start = open_upload(platform, request)
    marker = request.get("PartNumberMarker") or 0
    most = page_size(request, "MaxParts")
    if marker < 0:
        raise invalid_argument("Argument part-number-marker must be an integer between 0 and 2147483647")
    there = [part for number, part in parts_of(folder).items() if number > marker]
    page = there[:most]
    return {
        "Bucket": start["Bucket"],
        "Key": start["Key"],
        "UploadId": request["UploadId"],
        "PartNumberMarker": str(marker),
        "NextPartNumberMarker": str(page[-1].number if page else marker),
        "MaxParts": most,
        "IsTruncated": 0 < most < len(there),
        "StorageClass": "STANDARD",
        "Parts": [
            {"PartNumber": part.number, "LastModified": part.modified, "ETag": part.etag, "Size": part.size}
            for part in page
        ],
    }
