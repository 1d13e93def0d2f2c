"""The server of a custom service."""

from __future__ import annotations

from typing import NoReturn

from mlberth.compat.training.processes import handler_file, serve

__all__ = ["DEFAULT_HANDLER_SERVICE", "start_model_server"]

DEFAULT_HANDLER_SERVICE = "sagemaker_inference.default_handler_service"


def start_model_server(handler_service: str = DEFAULT_HANDLER_SERVICE) -> NoReturn:
    """Serve a custom service, `/a/file.py:handle` or a module's name, in the place of this program.

    Without one the user's own handler is served. Raises TypeError for anything else than a name.
    """
    if not isinstance(handler_service, str):
        found = type(handler_service).__name__  # type: ignore[unreachable]  # callers are not checked
        raise TypeError(f"handler_service is a {found}; expected the name of its file or module")
    own = handler_service != DEFAULT_HANDLER_SERVICE
    serve({"SAGEMAKER_PROGRAM": handler_file(handler_service)} if own else {})
