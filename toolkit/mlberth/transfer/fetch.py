"""Objects and files, copied into a folder: all of them or none."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mlberth.channels.manifests import parse_manifest
from mlberth.code.archives import extract
from mlberth.code.s3 import SCHEME, S3Bucket
from mlberth.code.staging import holds_files, staged
from mlberth.errors import ContractError, Fault, PlatformError
from mlberth.paths import FILE, local_path
from mlberth.transfer import http
from mlberth.transfer.names import collect, file_name, listed_name, place

WHERE = "mlberth fetch, URL"
EXPECTED = "s3://BUCKET/PREFIX, http(s)://…, or a path of this machine"
_AT_ONCE = 8
"""Objects on their way at once: one connection seldom fills a network."""

Copy = Callable[[Path], object]
"""Copies one object into a file that is not there yet."""


@dataclass(frozen=True)
class Options:
    """How objects become files."""

    unpack: bool = False
    """The one object is a .tar.gz, whose files are wanted."""
    manifest: bool = False
    """The object lists others."""
    share: tuple[int, int] = (0, 1)
    """This host's position, and the number of hosts, which share the objects in the order of keys."""
    optional: bool = False
    """That there is nothing is no error."""


def fetch(url: str, destination: Path, environ: Mapping[str, str], options: Options) -> list[str]:
    """Copy what an address names into a folder, beside what it holds; returns the names of the files.

    Raises ContractError if there is nothing or an object's name leads out of the folder, ArchiveError,
    DependencyError for `s3://` without the extra `aws`, PlatformError if disk or network fail.
    """
    host, hosts = options.share
    try:
        with tempfile.TemporaryDirectory(prefix="mlberth-fetch-") as scratch:
            found = list(_objects(url, environ, options, Path(scratch)))
        if not found and options.optional:
            destination.mkdir(parents=True, exist_ok=True)
            return []
        if not found:
            raise ContractError(Fault(WHERE, f"nothing at {_shown(url)!r}", "at least one object"))
        chosen = found[host::hosts]
        if options.unpack:
            return _unpack(url, chosen, destination)
        with staged(destination, merge=True) as folder:
            _copy(chosen, folder)
        return [name for name, _ in chosen]
    except OSError as error:
        reason = error.strerror or str(error)
        found_text = f"{_shown(url)!r}, which cannot be copied ({reason})"
        raise PlatformError(Fault(str(destination), found_text, "a folder that takes it")) from error


def is_filled(folder: Path) -> bool:
    """Return whether a folder holds anything already; a new volume has what its file system needs."""
    return holds_files(folder, besides=folder / "lost+found")


def _shown(url: str) -> str:
    return http.shown(url) if url.startswith(http.SCHEMES) else url


def _objects(
    url: str, environ: Mapping[str, str], options: Options, scratch: Path
) -> Iterator[tuple[str, Copy]]:
    """Yield name and copy of each object, in the order of keys."""
    if options.manifest:
        yield from _listed(url, environ, scratch)
    elif url.startswith(SCHEME):
        bucket = S3Bucket(url, environ, where=WHERE)
        for key in bucket.keys(bucket.key):
            yield file_name(key, bucket.key), _from_bucket(bucket, key)
    elif url.startswith(http.SCHEMES):
        yield http.file_of(url) or "index", lambda path: http.get(url, path, where=WHERE)
    elif "://" in url and not url.startswith(FILE):
        raise ContractError(Fault(WHERE, repr(url), EXPECTED))
    else:
        path = local_path(url)
        files = {path.name: path} if path.is_file() else collect([path])
        for name, file in sorted(files.items()):
            yield name, _from_file(file)


def _listed(url: str, environ: Mapping[str, str], scratch: Path) -> Iterator[tuple[str, Copy]]:
    """Yield the objects that a manifest lists, under their names below its prefix."""
    manifests = list(_objects(url, environ, Options(), scratch))
    if len(manifests) != 1:
        found = f"{len(manifests)} objects at {_shown(url)!r}"
        raise ContractError(Fault(WHERE, found, "the one object that is the manifest"))
    file = scratch / "manifest"
    manifests[0][1](file)
    manifest = parse_manifest(file, _shown(url))
    copies: dict[str, tuple[S3Bucket, str]] = {}
    for address in manifest.addresses:
        bucket = S3Bucket(address, environ, where=f"{_shown(url)}, {address!r}")
        for key in bucket.keys(bucket.key) if address.endswith("/") else iter([bucket.key]):
            name = listed_name(key, manifest.prefix)
            known, known_key = copies.setdefault(name, (bucket, key))
            if (known.name, known_key) != (bucket.name, key):
                found = f"two objects whose files would be called {name!r}"
                raise ContractError(Fault(_shown(url), found, "a name for each"))
    for name, (bucket, key) in copies.items():
        yield name, _from_bucket(bucket, key)


def _from_bucket(bucket: S3Bucket, key: str) -> Copy:
    return lambda path: bucket.copy(key, path)


def _from_file(file: Path) -> Copy:
    return lambda path: shutil.copyfile(file, path)


def _copy(objects: list[tuple[str, Copy]], folder: Path) -> None:
    """Copy objects into an empty folder, several at once; the first failure is raised, and ends it."""
    targets = [_target(folder, name) for name, _ in objects]
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = [pool.submit(copy, target) for (_, copy), target in zip(objects, targets, strict=True)]
        try:
            for one in waiting:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _target(folder: Path, name: str) -> Path:
    try:
        return place(folder, name)
    except ValueError:
        raise ContractError(
            Fault(WHERE, f"an object called {name!r}", "names that stay in the folder")
        ) from None


def _unpack(url: str, objects: list[tuple[str, Copy]], destination: Path) -> list[str]:
    if len(objects) != 1:
        found = f"{len(objects)} objects at {_shown(url)!r}, with --unpack"
        raise ContractError(Fault(WHERE, found, "one .tar.gz"))
    ((name, copy),) = objects
    # On the disk that is to have the files: /tmp of a container is seldom as large as a model.
    with staged(destination, merge=True) as folder:
        archive = _target(folder, name)
        archive = archive.with_name(f".{archive.name}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        copy(archive)
        unpacked = folder / ".unpacked"
        extract(archive, unpacked, links=True)
        archive.unlink()
        names = sorted(
            str((Path(at) / file).relative_to(unpacked))
            for at, _, files in os.walk(unpacked)
            for file in files
        )
        for entry in list(unpacked.iterdir()):
            if (folder / entry.name).exists():
                raise OSError(errno.EEXIST, f"an entry called {entry.name}")
            entry.rename(folder / entry.name)
        unpacked.rmdir()
    return names
