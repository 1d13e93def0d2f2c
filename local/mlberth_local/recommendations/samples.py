"""The sample payloads of a job: files of an archive, each with its media type."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from mlberth.code.archives import extract
from mlberth.errors import ContractError
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Objects
from mlberth_local.job_failure import JobFailure

LARGEST = 6 * 1024 * 1024
"""Bytes of one payload, as the platform takes them."""
MOST = 100
_MORE_TYPES = {".csv": "text/csv", ".jsonl": "application/jsonlines", ".libsvm": "text/libsvm"}


def bring_samples(
    address: str, folder: Path, types: Sequence[str], objects: Objects
) -> list[tuple[str, str]]:
    """Unpack the archive of an address; returns path and media type of each payload. Raises JobFailure."""
    try:
        extract(objects.find(address).path, folder)
    except ServiceError as error:
        raise JobFailure(f"ClientError: SamplePayloadUrl {address}: {error.message}") from None
    except ContractError as error:
        reasons = "; ".join(f"found {fault.found}" for fault in error.faults)  # without the file's path
        raise JobFailure(f"ClientError: SamplePayloadUrl {address}: expected a .tar.gz; {reasons}") from None
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise JobFailure(f"ClientError: SamplePayloadUrl {address}: the archive has no files")
    if large := [path.name for path in found if path.stat().st_size > LARGEST]:
        raise JobFailure(
            f"ClientError: SamplePayloadUrl {address}: {large[0]} is larger than {LARGEST} bytes"
        )
    return [(str(path), media_type(path.name, types)) for path in found[:MOST]]


def media_type(name: str, types: Sequence[str]) -> str:
    """Return the type of a file: of those that the model supports, the one of its name; else the first."""
    own = _MORE_TYPES.get(Path(name).suffix.lower()) or mimetypes.guess_type(name)[0]
    return own if own and own in types else types[0]
