"""One model server of a transform: its health, its parameters, and the connections to it."""

from __future__ import annotations

import http.client
import json
from http import HTTPStatus
from typing import Any

from mlberth_local.transform.connection import Connection

_READ_ONLY_SECONDS = 5.0


class ModelServer:
    """A server at a port of 127.0.0.1. May be used by several threads at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

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

    def connect(self, *, anew: bool = False) -> Connection:
        """Return a connection that nobody uses, which may be an earlier one. Raises OSError."""
        try:
            return Connection(self._port) if anew else self._idle.pop()
        except IndexError:
            return Connection(self._port)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for another request."""
        self._idle.append(connection)

    def close(self) -> None:
        """Close the kept connections; no request may be on its way."""
        while self._idle:
            self._idle.pop().close()
