"""Stateful sessions: requests that open and close them, and the session of every other request.

Source: the platform's contract (`InvokeEndpoint` with a SessionId); bodies and words are those of its
model-hosting-container-standards. State is in files below one folder, which all workers share.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson

from mlberth.errors import ContractError, Fault
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.handler.context import ENVIRON_SESSION, ENVIRON_SESSION_ID, Context
from mlberth_serve.handler.predictor import StreamedBody, Transform
from mlberth_serve.handler.stateful_session import EXPIRES, FILES, VALUES, StatefulSession, not_found
from mlberth_serve.media_types import TEXT, MediaType
from mlberth_serve.settings import Settings
from mlberth_serve.variables import Variables

SESSION_ID = "X-Amzn-SageMaker-Session-Id"
NEW_SESSION_ID = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_SESSION_ID = "X-Amzn-SageMaker-Closed-Session-Id"
NEW_SESSION = "NEW_SESSION"
_CLOSE = "CLOSE"
_TYPE = "requestType"
_MAX_ORDER = 4096
"""In bytes; a larger body is a prediction's."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNFINISHED_SECONDS = 60.0
"""After which a folder that is being made or removed is one that a worker has died with."""

log = logging.getLogger(__name__)


class StatefulSessions:
    """Every session of a model, as each of its workers sees them."""

    def __init__(
        self, folder: Path, *, seconds: float, limit: int, clock: Callable[[], float] = time.time
    ) -> None:
        """Keep sessions below a folder that exists, for so many seconds each."""
        self._folder, self._seconds, self._limit, self._clock = folder, seconds, limit, clock

    def order(self, environ: MutableMapping[str, Any], body: bytes | memoryview) -> Transform | None:
        """Return what answers a request that opens or closes a session; None if it is another's.

        Raises RequestError for one that is nearly such a request, or that closes what is not there.
        """
        kind = _request_type(body)
        if kind is None:
            return None
        name = environ.get(ENVIRON_SESSION_ID, "")
        if kind == _CLOSE:
            session = self.find(name)
            return lambda _body, _type, context: self._close(session, context)
        if name not in ("", NEW_SESSION):
            self.find(name)
        return lambda _body, _type, context: self._open(context)

    def attach(self, environ: MutableMapping[str, Any], transform: Transform) -> Transform:
        """Give a prediction the session that it names, or a new one as it asks; raises RequestError."""
        name = environ.get(ENVIRON_SESSION_ID)
        if not name:
            return transform
        if name != NEW_SESSION:
            environ[ENVIRON_SESSION] = self.find(name)
            return transform
        session = environ[ENVIRON_SESSION] = self.create()

        def transform_in_new(
            body: bytes | memoryview, media_type: MediaType, context: Context
        ) -> tuple[bytes | StreamedBody, str]:
            try:
                answer = transform(body, media_type, context)
            except BaseException:
                self._remove(session.id)  # whose id nobody is told
                raise
            context.add_response_headers(_opened(session))
            return answer

        return transform_in_new

    def find(self, name: str) -> StatefulSession:
        """Return a session that lives; raises RequestError."""
        if not _ID.fullmatch(name):
            raise not_found()
        session = StatefulSession(self._folder / name)
        if session.expires <= self._clock():
            self._remove(name)
            raise not_found()
        return session

    def create(self) -> StatefulSession:
        """Return a new session; raises RequestError if there are too many, or no room."""
        if self.sweep() >= self._limit:
            text = f"There are {self._limit} sessions, as many as may be (SAGEMAKER_SESSIONS_LIMIT)."
            raise RequestError(503, "too_many_sessions", text)
        name = str(uuid.uuid4())
        staged = self._folder / f".{name}"
        with _dependency("opened"):
            for folder in (staged, staged / VALUES, staged / FILES):
                folder.mkdir(mode=0o700)
            (staged / EXPIRES).touch(mode=0o600)
            expires = float(int(self._clock() + self._seconds))  # to the second, as the client is told
            os.utime(staged / EXPIRES, (expires, expires))
            staged.rename(self._folder / name)  # whole, or not there
        return StatefulSession(self._folder / name)

    def sweep(self) -> int:
        """Remove the sessions that have expired, and what dead workers left; returns how many live."""
        now, living = self._clock(), 0
        with _dependency("opened"):
            for entry in list(os.scandir(self._folder)):
                with contextlib.suppress(FileNotFoundError):  # another worker was faster
                    if _ID.fullmatch(entry.name):
                        if (Path(entry.path) / EXPIRES).stat().st_mtime > now:
                            living += 1
                        else:
                            self._remove(entry.name)
                    elif entry.name.startswith(".") and entry.stat().st_mtime < now - _UNFINISHED_SECONDS:
                        shutil.rmtree(entry.path, ignore_errors=True)
        return living

    def _open(self, context: Context) -> tuple[bytes, str]:
        session = self.create()
        context.add_response_headers(_opened(session))
        return f"Session {session.id} created".encode(), TEXT

    def _close(self, session: StatefulSession, context: Context) -> tuple[bytes, str]:
        with _dependency("closed"):
            self._remove(session.id)
        context.add_response_headers([(CLOSED_SESSION_ID, session.id)])
        return f"Session {session.id} closed".encode(), TEXT

    def _remove(self, name: str) -> None:
        """Remove a session: from the rename on nobody finds it, whatever takes how long."""
        staged = self._folder / f".closed-{name}"
        with contextlib.suppress(FileNotFoundError):  # another request has closed it
            (self._folder / name).rename(staged)
        shutil.rmtree(staged, ignore_errors=True)


def make_sessions(settings: Settings) -> StatefulSessions | None:
    """Return the sessions of a server, None if they are not turned on; raises ContractError."""
    if not settings.stateful_sessions:
        return None
    folder = settings.sessions_folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        usable = folder.is_dir() and not folder.is_symlink() and found.st_uid in (os.geteuid(), 0)
        why = "" if usable and os.access(folder, os.W_OK | os.X_OK) else "not a folder of ours"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        expected = "a folder that this user can write, no link and nobody else's"
        raise ContractError(Fault(Variables.sessions_path.name, f"{str(folder)!r} ({why})", expected))
    sessions = StatefulSessions(folder, seconds=settings.sessions_expiration, limit=settings.sessions_limit)
    sessions.sweep()
    return sessions


def refuse(environ: Mapping[str, Any], body: bytes | memoryview) -> None:
    """Raise RequestError for a request that opens or closes a session, though there are none."""
    if environ[ENVIRON_SESSION_ID] == NEW_SESSION or _request_type(body):
        name = Variables.stateful_sessions.name
        raise BadRequestError(f"Invalid payload. stateful sessions not enabled ({name})")


def _request_type(body: bytes | memoryview) -> str | None:
    """Return which request of sessions a body is, or None; raises BadRequestError for a faulty one."""
    if len(body) > _MAX_ORDER:
        return None
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict) or _TYPE not in fields:
        return None
    if fields[_TYPE] not in (NEW_SESSION, _CLOSE) or len(fields) > 1:
        raise BadRequestError(f'A request of sessions is {{"{_TYPE}": "{NEW_SESSION}"}} or "{_CLOSE}" alone.')
    return str(fields[_TYPE])


def _opened(session: StatefulSession) -> list[tuple[str, str]]:
    """Return the headers that tell of a new session, by the platform's name and by older containers'."""
    ends = datetime.fromtimestamp(session.expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [(name, f"{session.id}; Expires={ends}") for name in (NEW_SESSION_ID, SESSION_ID)]


@contextlib.contextmanager
def _dependency(done: str) -> Iterator[None]:
    """Turn what the disk refuses into the status that the contract has for it."""
    try:
        yield
    except OSError as error:
        log.exception("a session could not be %s", done)
        text = f"The session could not be {done}; the log has the cause."
        raise RequestError(424, "session_failed", text) from error
