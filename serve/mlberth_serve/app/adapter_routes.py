"""The routes of adapters: POST and GET /adapters, POST and DELETE /adapters/{name}."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flask
import orjson

from mlberth_serve.app.adapters import MAX_BODY, Adapters
from mlberth_serve.app.body import read_body
from mlberth_serve.errors import BadRequestError, NotLoadedError, RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import JSON, TEXT

_ALIAS = "X-Amzn-SageMaker-Adapter-Alias"
_MAX_ALIAS = 256


class AdapterRoutes:
    """Answers requests about adapters; `find` returns those of the model, None if its handler loads none."""

    def __init__(
        self,
        find: Callable[[], Adapters | None],
        is_loaded: Callable[[], bool],
        make_context: Callable[[Mapping[str, Any]], Context],
    ) -> None:
        self._find, self._is_loaded, self._make_context = find, is_loaded, make_context

    def add_to(self, app: flask.Flask) -> None:
        """Add the routes to an application."""
        for path, method, view in (
            ("/adapters", "GET", self._show),
            ("/adapters", "POST", self._register),
            ("/adapters/<name>", "POST", self._update),
            ("/adapters/<name>", "DELETE", self._unregister),
        ):
            app.add_url_rule(
                path, f"{method} {path}", view, methods=[method], provide_automatic_options=False
            )

    def _show(self) -> flask.Response:
        page = self._adapters().show(flask.request.args)
        return flask.Response(orjson.dumps(page), content_type=JSON)

    def _register(self) -> flask.Response:
        adapters, fields = self._adapters(), _fields()
        adapters.register(fields, self._context)
        return _said(fields["name"], "registered")

    def _update(self, name: str) -> flask.Response:
        self._adapters().update(name, _fields(), self._context)
        return _said(name, "updated")

    def _unregister(self, name: str) -> flask.Response:
        self._adapters().unregister(name, self._context)
        return _said(name, "unregistered")

    def _adapters(self) -> Adapters:
        if not self._is_loaded():
            raise NotLoadedError
        adapters = self._find()
        if not adapters:
            text = "The handler has no load_adapter_fn, so there are no adapters."
            raise RequestError(501, "not_implemented", text)
        return adapters

    def _context(self) -> Context:
        return self._make_context(flask.request.environ)


def _fields() -> Mapping[str, Any]:
    """Return what a request says, in a body of JSON; raises RequestError."""
    try:
        fields = orjson.loads(read_body(flask.request.environ, MAX_BODY))
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise BadRequestError("The body is no JSON object; expected name and src.")
    return fields


def _said(name: str, done: str) -> flask.Response:
    alias = flask.request.headers.get(_ALIAS, "")
    shown = alias if alias.isascii() and alias.isprintable() and 0 < len(alias) <= _MAX_ALIAS else name
    return flask.Response(f"Adapter {shown} {done}", content_type=TEXT)
