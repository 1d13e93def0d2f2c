"""One model server of a transform: its health, its parameters, and requests over kept connections."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_READ_ONLY_SECONDS = 5.0


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    content_type: str | None
    """As the server has sent it."""
    body: bytes


class ModelServer:
    """A server at a port of 127.0.0.1. May be used by several threads at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def is_ready(self) -> bool:
        """Return whether the server answers /ping with 200."""
        try:
            return self._get("/ping")[0] == HTTPStatus.OK
        except OSError:
            return False

    def execution_parameters(self) -> dict[str, Any]:
        """Return what /execution-parameters answers; nothing if that is no object, or an error."""
        try:
            status, body = self._get("/execution-parameters")
            found = json.loads(body) if status == HTTPStatus.OK else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

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

    def post(self, body: bytes | Iterable[bytes], headers: Mapping[str, str], timeout: float) -> Reply:
        """Send a prediction, in chunks unless the body is bytes. Raises OSError if there is no answer.

        `timeout` is how many seconds the server may be silent.
        """
        with self._lock:
            kept = self._idle.pop() if self._idle and isinstance(body, bytes) else None
        try:
            if kept:
                try:
                    return self._exchange(kept, body, headers, timeout)
                except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                    pass  # the server has closed it meanwhile: that is no fault
            fresh = http.client.HTTPConnection("127.0.0.1", self._port)
            return self._exchange(fresh, body, headers, timeout)
        except http.client.HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        body: bytes | Iterable[bytes],
        headers: Mapping[str, str],
        timeout: float,
    ) -> Reply:
        """Return the answer; the connection is kept for another request."""
        try:
            connection.timeout = timeout
            if connection.sock:
                connection.sock.settimeout(timeout)
            chunked = not isinstance(body, bytes)
            connection.request("POST", "/invocations", body, headers, encode_chunked=chunked)
            response = connection.getresponse()
            reply = Reply(response.status, response.getheader("Content-Type"), response.read())
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)
        return reply

    def close(self) -> None:
        """Close the kept connections; no request may be on its way."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()
