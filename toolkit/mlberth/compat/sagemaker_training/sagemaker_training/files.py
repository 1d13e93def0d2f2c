"""Files of a job, read, written and fetched."""

from __future__ import annotations

from mlberth.compat.training.files import (
    read_file,
    read_json,
    tmpdir,
    write_failure_file,
    write_file,
    write_success_file,
)
from mlberth.compat.training.processes import download_and_extract, s3_download

__all__ = [
    "download_and_extract",
    "read_file",
    "read_json",
    "s3_download",
    "tmpdir",
    "write_failure_file",
    "write_file",
    "write_success_file",
]
