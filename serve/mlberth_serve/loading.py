"""The application that a worker serves, with its model loaded."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth_serve.application import Application
from mlberth_serve.guest import Guest
from mlberth_serve.settings import Settings


def load_application(environ: Mapping[str, str]) -> Application | Guest:
    """Read the settings and return the user's application, or ours around their handler, loaded.

    Raises ContractError for faulty settings, ModelLoadError for a model that cannot be loaded.
    """
    settings = Settings.from_environ(environ)
    application = Guest(settings) if settings.serving_module else Application(settings)
    application.load()
    return application
