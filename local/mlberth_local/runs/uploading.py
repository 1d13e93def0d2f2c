"""The files of a run, packed if need be and sent; and its results, fetched."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mlberth.code.archives import extract, is_archive
from mlberth.errors import ContractError, Fault
from mlberth.transfer.names import place
from mlberth_local.inputs.objects import below, split
from mlberth_local.runs.plan import Download, Upload
from mlberth_local.runs.s3_client import Progress, S3Client
from mlberth_local.runs.screen import Screen, bar

_LEVEL = 1
"""Of compression: the archive does not leave this machine."""
_LEFT_OUT = {
    ".git",
    ".venv",
    "__pycache__",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
}
"""Folders of a project that no job needs."""


def send(uploads: Sequence[Upload], s3: S3Client, screen: Screen) -> None:
    """Send the files of a run. Raises `MlberthError`."""
    for bucket in sorted({split(upload.address)[0] for upload in uploads}):
        s3.make_bucket(bucket)
    with TemporaryDirectory(prefix="mlberth-run-") as scratch:
        for upload in uploads:
            if upload.packed:
                archive = Path(scratch) / "packed.tar.gz"
                pack(upload, archive, Path(scratch) / "unpacked")
                files = {upload.address: archive}
            else:
                files = dict(_addresses(upload))
            progress = _progress(
                screen, upload.source.name, sum(path.stat().st_size for path in files.values())
            )
            for address, path in files.items():
                s3.put(address, path, progress)


def _addresses(upload: Upload) -> Iterator[tuple[str, Path]]:
    if upload.source.is_file():
        prefix = upload.address
        yield (below(prefix, upload.source.name) if prefix.endswith("/") else prefix), upload.source
        return
    for path in sorted(upload.source.rglob("*")):
        if path.is_file():
            yield below(upload.address, path.relative_to(upload.source).as_posix()), path


def pack(upload: Upload, archive: Path, scratch: Path) -> None:
    """Pack a folder, or an archive to which code is added, as .tar.gz. Raises `ContractError`."""
    source = upload.source
    if source.is_file() and is_archive(source):
        extract(source, scratch, links=True)
        source = scratch
    without = {path.resolve() for path in upload.without}

    def chosen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        left_out = Path(member.name).name in _LEFT_OUT or (source / member.name).resolve() in without
        return None if left_out else member

    with tarfile.open(archive, "w:gz", compresslevel=_LEVEL, dereference=True) as tar:
        if source.is_file():
            tar.add(source, source.name)
        else:
            for path in sorted(source.iterdir()):
                tar.add(path, path.name, filter=chosen)
        if upload.code:
            tar.add(upload.code, "code", filter=lambda one: None if Path(one.name).name in _LEFT_OUT else one)


def fetch(downloads: Sequence[Download], s3: S3Client, screen: Screen) -> None:
    """Fetch the results of a run into folders of this machine.

    Raises `PlatformError`; and, once all others are there, `ContractError` for those that have no place.
    """
    faults = []
    for download in downloads:
        prefix = below(download.address, "")
        for address in s3.list(prefix):
            name = address.removeprefix(prefix)
            if name.endswith("/"):
                continue
            try:
                target = place(download.target, name)
            except ValueError:
                faults.append(Fault(address, f"the name {name!r}", "names that stay in the folder"))
            else:
                s3.get(address, target, _progress(screen, name, 0))
    if faults:
        raise ContractError(*faults)


def _progress(screen: Screen, label: str, total: int) -> Progress:
    done = 0

    def show(count: int) -> None:
        nonlocal done
        done += count
        screen.show(bar(label, done, total or done))

    return show
