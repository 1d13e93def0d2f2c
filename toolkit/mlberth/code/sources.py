"""The user's code, fetched from where a job says it is.

A source is a folder, a .tar.gz or a folder with nothing else, a single file, or `s3://bucket/key` of one of
the latter two; `file://` may stand before a path.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from mlberth.code.archives import extract, is_archive
from mlberth.code.staging import holds_files, lone_archive, set_aside, staged
from mlberth.errors import ContractError, Fault, PlatformError
from mlberth.masking import masked_text
from mlberth.paths import FILE, exists, is_file, is_folder, local_path, real

SETTING = "sagemaker_submit_directory"
S3 = "s3://"
_EXPECTED = "a folder, a .tar.gz, a file, or s3://bucket/key"
# What else people pack code with, and how such a file begins.
_OTHER_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
}

log = logging.getLogger(__name__)


def fetch_code(
    source: str,
    destination: Path,
    environ: Mapping[str, str],
    *,
    where: str = SETTING,
    brought: Path | None = None,
) -> None:
    """Put the code that `source` names into `destination`, all of it or nothing.

    `where` is the setting that errors name, `brought` a copy of what is at an `s3://` address. Raises
    ContractError if there is no such source, ArchiveError if it cannot be unpacked, DependencyError if
    `s3://` needs the extra `aws`, PlatformError if the disk fails.
    """
    if source.startswith(S3) and brought is not None:
        _put(brought, source, destination, where)
    elif source.startswith(S3):
        from mlberth.code.s3 import download

        with tempfile.TemporaryDirectory(prefix="mlberth-source-") as folder:
            _put(download(source, Path(folder), environ, where=where), source, destination, where)
    elif "://" in source and not source.startswith(FILE):
        _refuse(where, repr(masked_text(source)))
    else:
        _put(local_path(source), source, destination, where)


def _put(path: Path, source: str, destination: Path, where: str) -> None:
    if not exists(path):
        _refuse(where, f"no such file or folder: {source!r}")
    if real(path) == real(destination):
        return
    if real(destination).is_relative_to(real(path)):
        _refuse(where, f"{source!r}, a folder that holds {destination} itself")
    try:
        with staged(destination) as folder:
            _fill(folder, path, source, where)
            if holds_files(destination, besides=folder) or is_file(destination):
                _make_room(destination, source, where)
    except OSError as error:
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        found = f"{source!r}, which cannot be copied ({reason})"
        raise PlatformError(Fault(where, found, f"code that fits into {destination}")) from error


def _fill(folder: Path, path: Path, source: str, where: str) -> None:
    if is_folder(path) and (archive := lone_archive(path)):
        extract(archive, folder, links=True)
    elif is_folder(path):
        # Links are followed, so that the copy is whole also if they lead out of the folder.
        shutil.copytree(path, folder, dirs_exist_ok=True, ignore=_dangling)
    elif not is_file(path):
        _refuse(where, f"{source!r}, which is neither a folder nor a file")
    elif is_archive(path):
        extract(path, folder, links=True)
    elif kind := _other_archive(path):
        expected = "a .tar.gz if it is packed"
        raise ContractError(Fault(where, f"{source!r}, a {kind} file", expected, "Pack it with: tar -czf"))
    else:
        shutil.copy(path, folder)


def _other_archive(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(8)
    return next((kind for magic, kind in _OTHER_ARCHIVES.items() if start.startswith(magic)), None)


def _dangling(folder: str, names: list[str]) -> list[str]:
    # copytree's own ignore_dangling_symlinks looks for relative targets in the working directory.
    return [name for name in names if not os.path.exists(os.path.join(folder, name))]  # noqa: PTH110, PTH118


# If the destination holds code, the source that the job names wins: it is more specific than what the image
# brought. The destination is then exactly the source, never a mixture.
def _make_room(destination: Path, source: str, where: str) -> None:
    try:
        aside = set_aside(destination)
    except OSError as error:
        found = f"{source!r}, while {destination} holds other code that cannot be moved ({error.strerror})"
        action = f"Unset {where} to run what is in {destination}, or mount nothing there."
        raise ContractError(Fault(where, found, "one source of code", action)) from error
    log.warning(
        "%s held code already. The job's own source, %s, takes its place; what was there is in %s.",
        destination,
        masked_text(source),
        aside,
    )


def _refuse(where: str, found: str) -> NoReturn:
    raise ContractError(Fault(where, found, _EXPECTED))
