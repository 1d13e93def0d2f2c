"""The application that a worker serves, with its model loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlberth_serve.handler.placement import is_worker
from mlberth_serve.inference.announcement import announce
from mlberth_serve.safe_models import check_path
from mlberth_serve.settings import Settings

if TYPE_CHECKING:
    from mlberth_serve.app.application import Application
    from mlberth_serve.app.wsgi_passthrough import WsgiPassthrough


def create_app(environ: Mapping[str, str]) -> Application | WsgiPassthrough:
    """Read the settings and return the user's application, or ours around their handler, loaded.

    Raises ContractError for faulty settings, ModelLoadError for a model that cannot be loaded.
    """
    settings = Settings.from_environ(environ)
    if settings.safe_models_only:
        check_path(settings.layout)
    if not is_worker():  # each of them would say the same
        announce(settings)
    application = (
        _make_passthrough(settings) if settings.serving_module else _make_application(settings, environ)
    )
    application.load()
    return application


# Neither is imported if the other serves: that would take longer than all else before the model.


def _make_application(settings: Settings, environ: Mapping[str, str]) -> Application:
    from mlberth_serve.app.application import Application

    capture = sessions = None
    if settings.capture_destination:
        from mlberth_serve.capture.capture import make_capture

        capture = make_capture(settings, environ)
    if settings.stateful_sessions:
        from mlberth_serve.app.stateful_sessions import make_sessions

        sessions = make_sessions(settings)
    return Application(settings, capture=capture, sessions=sessions)


def _make_passthrough(settings: Settings) -> WsgiPassthrough:
    from mlberth_serve.app.wsgi_passthrough import WsgiPassthrough

    return WsgiPassthrough(settings)
