"""Tar archives from outside, unpacked safely: nothing else in the project unpacks any.

Python's own `filter="data"` is not enough: an over-long path once led it out of the destination.
So every entry is checked here before anything is written, no link exists while files are written,
and the result is renamed into place whole. The filter is asked as well, if this Python has it.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn, cast

from mlberth._typing import NamedTuple
from mlberth.code.staging import ARCHIVES, staged
from mlberth.errors import ContractError, Fault, PlatformError
from mlberth.paths import LONGEST_NAME

_GZIP = b"\x1f\x8b"
_BLOCK = 512
_LARGEST_READ = 64 * 1024
_COPY = 32 * 1024
_EXCERPT = 120


class ArchiveError(ContractError):
    """An archive is damaged, or holds what may not be unpacked."""


class Limits(NamedTuple):
    """How much an archive may unpack to."""

    total_bytes: int = 64 * 1024**3
    entries: int = 100_000
    ratio: int = 200
    """Unpacked bytes for each packed one, asked of what unpacks to more than `ratio_from` bytes."""
    ratio_from: int = 64 * 1024**2
    depth: int = 64
    path_bytes: int = 1024


def is_archive(path: Path) -> bool:
    """Return whether a file begins like a gzip or tar file, or says in its name that it is one."""
    if path.name.endswith(ARCHIVES):
        return True
    with path.open("rb") as file:
        start = file.read(_BLOCK)
    return start.startswith(_GZIP) or start[257:262] == b"ustar"


def extract(
    archive: Path,
    destination: Path,
    *,
    limits: Limits | None = None,
    links: bool = False,
    merge: bool = False,
) -> None:
    """Unpack a .tar or .tar.gz into `destination`, all of it or nothing.

    The destination is absent or empty, or takes the files beside its own with `merge`. Refused:
    absolute paths, `..`, devices, FIFOs, sparse files, a path twice, and links; with `links`,
    symbolic links that stay in the tree are allowed, and hard links to earlier files. Set-id bits,
    owners and times are dropped. Raises ArchiveError, or PlatformError if the disk fails.
    """
    limits = limits or Limits()
    with _opened(archive, limits) as (tar, reader):
        for _ in _checked(archive, tar, limits, links):
            pass
        _check_end(archive, tar, reader)
    try:
        with staged(destination, merge=merge) as folder, _opened(archive, limits) as (tar, _):
            _write(tar, _checked(archive, tar, limits, links), folder)
    except OSError as error:
        found = error.strerror or str(error)
        raise PlatformError(Fault(str(destination), found, f"a folder to unpack {archive} to")) from error


class _Reader:
    """The unpacked bytes of an archive, never more than the limits allow.

    tarfile reads long headers in one piece and skips data with a seek: both are checked first.
    """

    def __init__(self, archive: Path, source: IO[bytes], limits: Limits) -> None:
        self._archive = archive
        self._source = source
        self._ratio_cap = max(limits.ratio_from, archive.stat().st_size * limits.ratio)
        self._limits = limits

    def read(self, size: int) -> bytes:
        if size > _LARGEST_READ:
            _refuse(self._archive, f"a header of {size} bytes", f"at most {_LARGEST_READ}")
        data = self._source.read(size)
        self._check(self._source.tell())
        return data

    def seek(self, offset: int) -> int:
        if offset < self._source.tell() - _BLOCK:
            _refuse(self._archive, "an entry that leads backwards", "entries one after the other")
        self._check(offset)
        return self._source.seek(offset)

    def tell(self) -> int:
        return self._source.tell()

    def _check(self, position: int) -> None:
        if position > self._limits.total_bytes:
            _refuse(self._archive, "more", f"at most {self._limits.total_bytes} unpacked bytes")
        if position > self._ratio_cap:
            expected = f"at most {self._limits.ratio} unpacked bytes for each packed one"
            _refuse(self._archive, "a compression bomb", expected)


@contextmanager
def _opened(archive: Path, limits: Limits) -> Iterator[tuple[tarfile.TarFile, _Reader]]:
    try:
        file = archive.open("rb")
    except OSError as error:
        _refuse(archive, error.strerror or str(error), "a .tar or .tar.gz that can be read")
    try:
        with file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            source = gzip.GzipFile(fileobj=file) if packed else file
            reader = _Reader(archive, cast(IO[bytes], source), limits)
            with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r:") as tar:
                yield tar, reader
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        _refuse(archive, f"damage ({error})", "a whole .tar or .tar.gz")
    except (ValueError, OverflowError, RecursionError) as error:
        _refuse(archive, f"headers that make no sense ({error})", "a whole .tar or .tar.gz")


def _checked(
    archive: Path, tar: tarfile.TarFile, limits: Limits, links: bool
) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Yield each entry with its clean path; raise ArchiveError at the first that may not be unpacked."""
    leaves: set[str] = set()  # what cannot have anything below it
    files: dict[str, int] = {}
    linked = 0  # bytes that hard links would take as files, as they do if the tree is copied
    folders: set[str] = set()
    number = 0
    while (entry := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every entry: a kilobyte each
        number += 1
        if number > limits.entries:
            _refuse(archive, "more", f"at most {limits.entries} entries")
        problem = _problem(entry, limits, links)
        path = _clean(entry.name)
        parts = path.split("/")
        parents = ["/".join(parts[:end]) for end in range(1, len(parts))]
        if not problem and entry.islnk() and _clean(entry.linkname) not in files:
            problem = "a hard link to no earlier file"
        if not problem and (path in leaves or (not entry.isdir() and path in folders)):
            problem = "a path that is there twice"
        if not problem and not leaves.isdisjoint(parents):
            problem = "a path below something that is no folder"
        if problem or (not path and not entry.isdir()):
            name = entry.name[:_EXCERPT]
            _refuse(archive, problem or "an entry without a name", "files and folders of its own tree", name)
        folders.update(parents)
        (folders if entry.isdir() else leaves).add(path)
        if entry.isfile():
            files[path] = entry.size
        if entry.islnk():
            linked += files[_clean(entry.linkname)]
            if linked > limits.total_bytes:
                _refuse(archive, "more", f"at most {limits.total_bytes} unpacked bytes")
        yield path, entry


def _problem(entry: tarfile.TarInfo, limits: Limits, links: bool) -> str:
    """Return what is wrong with one entry, or ""."""
    name, parts = entry.name, entry.name.split("/")
    problems = {
        "an absolute path": name.startswith("/"),
        "a path with '..'": ".." in parts,
        "a path with a NUL": "\0" in name,
        "a path that is too deep": len(parts) > limits.depth,
        "a path that is too long": len(os.fsencode(name)) > limits.path_bytes,
        "a name that is too long": max(map(len, map(os.fsencode, parts))) > LONGEST_NAME,
        "a symbolic link": entry.issym() and not (links and _stays_in_tree(entry)),
        "a hard link": entry.islnk() and not links,
        "a sparse file": entry.issparse(),
        "a device, a FIFO or an unknown kind of entry": not (
            entry.isfile() or entry.isdir() or entry.issym() or entry.islnk()
        ),
        "a negative size": entry.size < 0,
    }
    return next((problem for problem, is_there in problems.items() if is_there), _filter_problem(entry))


def _filter_problem(entry: tarfile.TarInfo) -> str:
    data_filter = getattr(tarfile, "data_filter", None)  # from 3.10.12, 3.11.4 and 3.12 on
    if data_filter:
        try:
            data_filter(entry, "/nowhere")
        except (tarfile.TarError, OSError) as error:
            return f"what Python's own filter refuses ({type(error).__name__})"
    return ""


def _stays_in_tree(entry: tarfile.TarInfo) -> bool:
    """Return whether a link's target is `../../name/name`, with no more `..` than folders above the link.

    `..` behind a name is refused: the name may be a link itself, and then leads elsewhere.
    """
    if entry.linkname.startswith("/") or "\0" in entry.linkname:
        return False
    target = _clean(entry.linkname).split("/")
    depth = len(_clean(entry.name).split("/")) - 1
    ups = next((place for place, part in enumerate(target) if part != ".."), len(target))
    return bool(target[ups:]) and target[ups:] != [""] and ".." not in target[ups:] and ups <= depth


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _check_end(archive: Path, tar: tarfile.TarFile, reader: _Reader) -> None:
    """Refuse what ends in a broken header, which tarfile takes for the end, or in a bad checksum."""
    reader.seek(tar.offset)
    if reader.read(_BLOCK).strip(b"\0"):
        _refuse(archive, f"a damaged header at byte {tar.offset}", "a whole .tar or .tar.gz")
    while reader.read(_LARGEST_READ):
        pass


def _write(tar: tarfile.TarFile, entries: Iterator[tuple[str, tarfile.TarInfo]], folder: Path) -> None:
    symbolic = []
    for path, entry in entries:
        target = folder / path
        if entry.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.issym():
            symbolic.append((target, entry.linkname))
            continue
        if entry.islnk():
            os.link(folder / _clean(entry.linkname), target)
            continue
        source = tar.extractfile(entry)
        assert source is not None
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with source, open(descriptor, "wb") as sink:  # noqa: PTH123 - an open descriptor, not a path
            shutil.copyfileobj(source, sink, _COPY)
            os.fchmod(descriptor, entry.mode & 0o755 | 0o600)
    for target, link in symbolic:  # last, so that no file was written through one
        target.symlink_to(link)


def _refuse(archive: Path, found: str, expected: str, name: str | None = None) -> NoReturn:
    where = str(archive) if name is None else f"{archive}, entry {name!r}"
    raise ArchiveError(Fault(where, found, expected)) from None
