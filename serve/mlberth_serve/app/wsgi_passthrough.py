"""A WSGI application of the user's, served in the place of ours: SAGEMAKER_SERVING_MODULE.

nginx, the limits and the stop are the same. /ping stays nginx's own: a worker counts as ready when the
application has answered its own `GET /ping` with 200 there, which is also when most of them load their model.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.test import Client

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.app.body import hold_to_limit
from mlberth_serve.app.compat_environment import publish
from mlberth_serve.app.error_cause import DISCLOSURE, describe_cause
from mlberth_serve.app.http_response import REQUEST_ID, UNBUFFERED, make_error_response
from mlberth_serve.errors import InternalError, RequestError, ResponseHeaderError
from mlberth_serve.handler.response_headers import check_status, passed_on
from mlberth_serve.settings import Settings
from mlberth_serve.shared.request_ids import request_id
from mlberth_serve.usercode.importing import import_attribute
from mlberth_serve.usercode.load_errors import UserCodeError, failures_logged, find_cause
from mlberth_serve.usercode.locate import find_module
from mlberth_serve.variables import Variables

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_LONGEST_START = 3600.0
"""Seconds; the most that the platform waits for a container."""
_ASK_AGAIN = 1.0


class WsgiPassthrough:
    """What Application is, around a WSGI callable of the user's."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._callable: WSGIApplication | None = None

    def load(self) -> None:
        """Import the user's application, afresh on every call; raises ModelLoadError or ContractError."""
        if self._settings.debug_errors:
            log.warning(DISCLOSURE, Variables.debug_errors.name)
        publish(self._settings, None)
        with failures_logged():
            self._callable = import_attribute(self._settings)

    def warm_up(self) -> None:
        """Ask the application's own /ping until it is 200; 503 means that it needs more time.

        Raises ModelLoadError for any other answer, and if it takes longer than the platform waits.
        """
        began = self._clock()
        with failures_logged():
            while (status := self._ping()) == 503 and self._clock() - began < _LONGEST_START:
                self._sleep(_ASK_AGAIN)
        if status != 200:
            found = f"{status} as its answer to GET /ping"
            where = f"{Variables.serving_module.name}={self._settings.serving_module}"
            action = "503 says that it needs more time, and it is asked again."
            raise ModelLoadError(Fault(where, found, "200 once it can answer POST /invocations", action))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand over one request, within the limit of its body; the answer gets the request's id."""
        assert self._callable is not None
        name = request_id(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            own = [(REQUEST_ID, name)]
            if not any(name.lower() == "content-length" for name, _ in headers):
                own.append(UNBUFFERED)  # a stream
            return start_response(check_status(status), [*passed_on(headers), *own], exc_info)

        # What nginx takes for the answer itself.
        environ.pop("wsgi.early_hints", None)
        exc_info: Any = None
        try:
            hold_to_limit(environ, self._settings.max_payload_bytes)
            return self._callable(environ, start)
        except RequestError as error:
            if isinstance(error, ResponseHeaderError):
                log.error("request %s: %s", name, error.message)  # noqa: TRY400 - it has no cause
            response = make_error_response(error, name)
        except BaseException as error:  # the application's, whatever its kind
            log.exception("request %s failed", name)
            cause = None
            if self._settings.debug_errors:
                cause = describe_cause(error, find_module(self._settings), self._settings.secrets)
            response, exc_info = make_error_response(InternalError(), name, cause), sys.exc_info()
        start_response(response.status_line, response.headers, exc_info)
        return [response.body]

    def _ping(self) -> int:
        assert self._callable is not None
        try:
            return Client(self._callable).get("/ping", buffered=True).status_code
        except BaseException as error:
            program = find_module(self._settings)
            raise UserCodeError(find_cause(error, program, "warm-up", "GET /ping")) from error
