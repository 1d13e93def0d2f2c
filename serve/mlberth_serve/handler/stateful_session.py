"""A stateful session: what the requests of one client have in common.

It is kept in files, so that any worker can answer the next request, and one that dies takes nothing along.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from mlberth_serve.errors import RequestError

VALUES = "values"
FILES = "files"
EXPIRES = "expires"
"""A file whose time of modification is when the session ends: a sweep need not read it."""
_LOCK = "lock"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_SUFFIX = ".json"
_LOCK_POLL = 0.005


class StatefulSession(MutableMapping[str, Any]):
    """The values of one session by their names, each written as JSON and replaced as a whole.

    A session that is closed or expires meanwhile raises HTTPError with status 400.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def id(self) -> str:
        """What the client names it by; who knows it can use the session."""
        return self._folder.name

    @property
    def expires(self) -> float:
        """When it ends, in seconds since the epoch."""
        with _existing():
            return (self._folder / EXPIRES).stat().st_mtime

    @property
    def folder(self) -> Path:
        """A folder for files of the handler's own, for what is no JSON; it ends with the session."""
        return self._folder / FILES

    @contextlib.contextmanager
    def lock(self, seconds: float = 10.0) -> Iterator[None]:
        """Keep other requests of this session out that ask for the lock, in whichever worker they are.

        Raises HTTPError with status 409 if another has it for so many seconds.
        """
        with _existing():
            descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + seconds
            while not _has_locked(descriptor):
                if time.monotonic() > deadline:
                    raise RequestError(409, "session_busy", "Another request of this session is in work.")
                time.sleep(_LOCK_POLL)
            yield
        finally:
            os.close(descriptor)

    def __getitem__(self, name: str) -> Any:
        try:
            return json.loads(self._path(name).read_bytes())
        except FileNotFoundError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        path, text = self._path(name), json.dumps(value)
        with _existing():
            descriptor, staged = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                Path(staged).replace(path)
            except BaseException:
                Path(staged).unlink(missing_ok=True)
                raise

    def __delitem__(self, name: str) -> None:
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        with _existing():
            names = [path.name for path in (self._folder / VALUES).iterdir()]
        return iter(sorted(name.removesuffix(_SUFFIX) for name in names if not name.startswith(".")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, name: str) -> Path:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ValueError(f"{name!r} as the name of a value: expected up to 128 of A-Z a-z 0-9 . _ -")
        return self._folder / VALUES / f"{name}{_SUFFIX}"


def not_found() -> RequestError:
    """Return the error of a request that names a session that is not there."""
    text = "There is no session of this id: it was never opened here, was closed, or has expired."
    return RequestError(400, "session_not_found", text)


@contextlib.contextmanager
def _existing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise not_found() from None


def _has_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
