"""sagemaker-containers' application: a WSGI callable that needs no Flask.

`/ping` asks one function, `/invocations` another, which finds its request by `Request()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from mlberth.compat.server import ServerEnvironment

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
JSON = "application/json"
_TEXT = (JSON, "text/csv")
_ANY = "*/*"
_current: ContextVar[Environ] = ContextVar("request")


class Response:
    """Status, headers and body, under Flask's names."""

    def __init__(  # noqa: PLR0917 - sagemaker-containers' signature
        self,
        response: Any = None,
        accept: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,  # noqa: ARG002 - the same
    ) -> None:
        self.status_code = int(status)
        self.data = b"" if response is None else response
        self.headers = {"Content-Type": mimetype or accept or JSON, **(headers or {})}

    @property
    def mimetype(self) -> str:
        """The media type of the body."""
        return self.headers["Content-Type"].partition(";")[0].strip()

    def get_data(self) -> Any:
        """Return the body."""
        return self.data

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG002 - WSGI's
        """Answer a request with it."""
        body = self.data.encode() if isinstance(self.data, str) else bytes(self.data)
        status = f"{self.status_code} {HTTPStatus(self.status_code).phrase}"
        start_response(status, [*self.headers.items(), ("Content-Length", str(len(body)))])
        return [body]


class Request:
    """The request that is being answered."""

    def __init__(self, environ: Environ | None = None, serving_env: Any = None) -> None:
        self._environ = environ or _current.get()
        self._server = serving_env

    @property
    def content_type(self) -> str:
        """The media type of the body, JSON if the request names none."""
        return self._environ.get("CONTENT_TYPE") or self._environ.get("HTTP_CONTENTTYPE") or JSON

    @property
    def accept(self) -> str:
        """The media type that the client asks for, the server's own if it takes any."""
        accept = self._environ.get("HTTP_ACCEPT")
        if accept and accept != _ANY:
            return str(accept)
        return str((self._server or ServerEnvironment()).default_accept)

    @property
    def content(self) -> str | bytes:
        """The body: text of JSON and CSV, else bytes."""
        body = self.get_data()
        return body.decode() if self.content_type.partition(";")[0].strip() in _TEXT else body

    def get_data(self) -> bytes:
        """Return the body."""
        length = int(self._environ.get("CONTENT_LENGTH") or 0)
        body: bytes = self._environ["wsgi.input"].read(*([length] if length else []))
        return body


def default_healthcheck_fn() -> Response:
    """Return the answer of a server that is well."""
    return Response(status=200)


class Worker:
    """The application: loads once, before the first request, then answers."""

    def __init__(
        self,
        transform_fn: Callable[[], Any],
        initialize_fn: Callable[[], object] | None = None,
        module_name: str | None = None,
        healthcheck_fn: Callable[[], Any] | None = None,
        execution_parameters_fn: Callable[[], Any] | None = None,
    ) -> None:
        self.module_name = module_name
        self.name = module_name
        self._initialize = initialize_fn
        self._routes = {
            ("POST", "/invocations"): transform_fn,
            ("GET", "/ping"): healthcheck_fn or default_healthcheck_fn,
        }
        if execution_parameters_fn:
            self._routes["GET", "/execution-parameters"] = execution_parameters_fn

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; what a function raises is the server's to tell."""
        if self._initialize:
            self._initialize()
            self._initialize = None
        function = self._routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if not function:
            return Response(status=404)(environ, start_response)
        token = _current.set(environ)
        try:
            response = function()
        finally:
            _current.reset(token)
        if isinstance(response, tuple):
            response = Response(response[0], mimetype=response[1])
        answer: Iterable[bytes] = response(environ, start_response)
        return answer
