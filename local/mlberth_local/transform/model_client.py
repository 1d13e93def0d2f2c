"""Requests of a transform to a model server, over kept connections."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mlberth_local.transform.records import TransformError

_FIRST_PAUSE = 0.1
_READ_ONLY_SECONDS = 5.0


@dataclass(frozen=True)
class Parameters:
    """How requests are made."""

    max_concurrent: int = 1
    max_payload_mb: int = 6
    """0 sends an object in chunks, however large it is."""
    strategy: str = "MultiRecord"

    @property
    def payload(self) -> int:
        """The largest payload in bytes."""
        return self.max_payload_mb * 1024 * 1024

    def __str__(self) -> str:
        """Return the words of the service's log."""
        strategy = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}[self.strategy]
        return (
            f"MaxConcurrentTransforms={self.max_concurrent}, MaxPayloadInMB={self.max_payload_mb}, "
            f"BatchStrategy={strategy}"
        )


class ModelClient:
    """One model server. May be used by several threads at once."""

    def __init__(
        self,
        port: int,
        *,
        content_type: str | None = None,
        accept: str | None = None,
        timeout: float = 600.0,
        retries: int = 3,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._port = port
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        headers = {"Content-Type": content_type, "Accept": accept}
        self._headers = {name: value for name, value in headers.items() if value}

    def is_ready(self) -> bool:
        """Return whether the server answers /ping with 200."""
        try:
            return self._get("/ping")[0] == HTTPStatus.OK
        except OSError:
            return False

    def parameters(self, given: dict[str, Any]) -> Parameters:
        """Return the job's own parameters, else the server's, else the defaults."""
        try:
            status, body = self._get("/execution-parameters")
            found = json.loads(body) if status == HTTPStatus.OK else {}
        except (OSError, ValueError):
            found = {}
        found = found if isinstance(found, dict) else {}
        strategies = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
        strategy = strategies.get(str(found.get("BatchStrategy", "")).upper(), "MultiRecord")
        return Parameters(
            given.get("MaxConcurrentTransforms") or _whole_number(found.get("MaxConcurrentTransforms"), 1),
            given["MaxPayloadInMB"]
            if given.get("MaxPayloadInMB") is not None
            else _whole_number(found.get("MaxPayloadInMB"), 6),
            given.get("BatchStrategy") or strategy,
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_READ_ONLY_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def send(self, make_body: Callable[[], bytes | Iterable[bytes]]) -> bytes:
        """Return the answer to a request. Raises TransformError if it is none after all retries."""
        pause = _FIRST_PAUSE
        for attempt in range(self._retries + 1):
            try:
                status, body = self._post(make_body())
            except (OSError, http.client.HTTPException) as error:
                problem = f"Unable to get response from algorithm: {error or type(error).__name__}"
            else:
                if status == HTTPStatus.OK:
                    return body
                text = body[:200].decode(errors="replace").strip()
                if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise TransformError(f"ClientError: {status}: {text}")
                problem = f"Bad HTTP status received from algorithm: {status}: {text}"
            if attempt < self._retries:
                self._sleep(pause)
                pause *= 2
        raise TransformError(problem)

    def _post(self, body: bytes | Iterable[bytes]) -> tuple[int, bytes]:
        with self._lock:
            kept = self._idle.pop() if self._idle and isinstance(body, bytes) else None
        if kept:
            try:
                return self._exchange(kept, body)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                pass  # the server has closed it meanwhile: that is no fault
        return self._exchange(
            http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout), body
        )

    def _exchange(
        self, connection: http.client.HTTPConnection, body: bytes | Iterable[bytes]
    ) -> tuple[int, bytes]:
        """Return status and body of an answer; the connection is kept for another request."""
        try:
            chunked = not isinstance(body, bytes)
            connection.request("POST", "/invocations", body, self._headers, encode_chunked=chunked)
            response = connection.getresponse()
            found = response.status, response.read()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return found

    def close(self) -> None:
        """Close the kept connections; no request may be on its way."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()


def _whole_number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
