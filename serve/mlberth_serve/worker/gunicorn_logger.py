"""gunicorn's log, in our form, at our level, to our stream."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

LOGGER = "gunicorn"
_REFUSED = "Invalid request from ip="
"""How the line begins that there would be for each request that cannot be read, with what its client sent."""


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's messages as records of the logger that `mlberth.logs` has set up; no access log."""

    def setup(self, cfg: Any) -> None:
        """Take no stream, level or format from gunicorn's settings."""
        self.cfg = cfg
        self.error_log = logging.getLogger(LOGGER)
        self._access_log_enabled = False

    def warning(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log a warning, unless it is of a request that was refused."""
        if not msg.startswith(_REFUSED):
            super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log an exception; a target of a request among the arguments loses its query."""
        shown = [argument.partition("?")[0] if isinstance(argument, str) else argument for argument in args]
        super().exception(msg, *shown, **kwargs)

    def reopen_files(self) -> None:
        """Do nothing: there are no files."""

    def close_on_exec(self) -> None:
        """Do nothing: there are no files."""
