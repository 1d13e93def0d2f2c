"""A folder or a file, copied to an address: as one archive if the address ends like one."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlberth.code.s3 import SCHEME, S3Prefix
from mlberth.code.staging import ARCHIVES, staged
from mlberth.errors import ContractError, Fault, PlatformError
from mlberth.paths import FILE, local_path
from mlberth.transfer import http
from mlberth.transfer.names import collect

WHERE = "mlberth push, URL"
EXPECTED = "s3://BUCKET/PREFIX, http(s)://…, or a path of this machine; NAME.tar.gz for an archive"
LEVEL = 1
"""Weights hardly get smaller by a higher one, and packing takes several times as long."""


def push(source: Path, url: str, environ: Mapping[str, str]) -> int:
    """Copy a folder's files, or one file, to an address; returns how many there were.

    To an address that ends in .tar.gz, .tgz or .tar goes one archive, with a PUT over HTTP. Raises
    ContractError for an address that does not fit, DependencyError for `s3://` without the extra `aws`,
    PlatformError if disk or network fail.
    """
    files = {source.name: source} if source.is_file() else collect([source])
    if not files:
        return 0
    try:
        if _is_archive(url) and not _is_archive(source.name):
            with tempfile.TemporaryDirectory(prefix="mlberth-push-") as scratch:
                archive = Path(scratch, "archive")
                pack(files, archive, compress=not url.partition("?")[0].endswith(".tar"))
                _put_one(archive, url, environ)
        elif source.is_file() and (_is_archive(url) or url.startswith(http.SCHEMES)):
            _put_one(source, url, environ)
        else:
            _put_all(files, url, environ)
    except OSError as error:
        reason = error.strerror or str(error)
        shown = http.shown(url) if url.startswith(http.SCHEMES) else url
        raise PlatformError(Fault(WHERE, f"{shown!r}, while {source} is copied: {reason}", "")) from error
    return len(files)


def pack(files: Mapping[str, Path], archive: Path, *, compress: bool = True) -> None:
    """Write files into a new tar archive under their names."""
    with contextlib.ExitStack() as opened:
        sink = opened.enter_context(archive.open("wb"))
        packed = opened.enter_context(gzip.GzipFile("", "wb", LEVEL, sink)) if compress else sink
        tar = opened.enter_context(tarfile.open(fileobj=packed, mode="w", dereference=True))
        for name, path in files.items():
            tar.add(path, name, recursive=False)


def _is_archive(url: str) -> bool:
    return url.partition("?")[0].endswith(ARCHIVES)


def _put_one(file: Path, url: str, environ: Mapping[str, str]) -> None:
    """Copy one file to the very address."""
    if url.startswith(SCHEME):
        folder, _, name = url.rpartition("/")
        S3Prefix(folder, environ, where=WHERE).put(file, name)
    elif url.startswith(http.SCHEMES):
        http.put(file, url, where=WHERE)
    else:
        target = _local(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as sink, file.open("rb") as body:
                shutil.copyfileobj(body, sink)
                os.fchmod(sink.fileno(), 0o644)
            Path(name).rename(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _put_all(files: Mapping[str, Path], url: str, environ: Mapping[str, str]) -> None:
    """Copy files below an address."""
    if url.startswith(SCHEME):
        prefix = S3Prefix(url, environ, where=WHERE)
        for name, path in files.items():
            prefix.put(path, name)
    elif url.startswith(http.SCHEMES):
        found = f"{http.shown(url)!r}, for the files of a folder"
        raise ContractError(Fault(WHERE, found, "an address that ends in .tar.gz: a PUT takes one file"))
    else:
        with staged(_local(url), merge=True) as folder:
            for name, path in files.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def _local(url: str) -> Path:
    if "://" in url and not url.startswith(FILE):
        raise ContractError(Fault(WHERE, repr(url), EXPECTED))
    return local_path(url)
