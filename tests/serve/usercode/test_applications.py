"""WSGI applications, factories and ASGI applications, told apart."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from mlberth_serve.usercode.applications import application_fault, makes_application


def wsgi(environ: Any, start_response: Any) -> Any: ...


def anything(*args: Any, **kwargs: Any) -> Any: ...


def factory() -> Any: ...


def factory_with_defaults(debug: bool = False) -> Any: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


async def async_factory() -> Any: ...


class Wsgi:
    """An application with a state."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer."""


class Asgi:
    """The same, of the other kind."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""


class PerRequest:
    """An application of which each request makes one."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


WSGI = [wsgi, anything, Wsgi(), Wsgi().__call__, PerRequest, functools.partial(wsgi)]


@pytest.mark.parametrize("value", WSGI)
def test_wsgi_is_served_as_it_is(value: Any) -> None:
    """Whatever is called with two arguments."""
    assert not makes_application(value)
    assert application_fault(value, "m", "a") is None


@pytest.mark.parametrize("value", [factory, factory_with_defaults, functools.partial(factory).func])
def test_factory_is_called(value: Any) -> None:
    """A function that takes no argument, and not two."""
    assert makes_application(value)


@pytest.mark.parametrize("value", [asgi, Asgi(), async_factory])
def test_asgi_is_told(value: Any) -> None:
    """It is not called, and the error says how to wrap it."""
    assert not makes_application(value)
    fault = application_fault(value, "m", "a")
    assert fault
    assert "an ASGI application" in fault.found
    assert "a2wsgi" in fault.action


@pytest.mark.parametrize("value", [None, 5, "app"])
def test_what_is_no_application_is_told(value: Any) -> None:
    """A name that is not there, or that has a plain value."""
    fault = application_fault(value, "m", "a")
    assert fault
    assert "nothing to call by the name 'a' in m" in fault.found
