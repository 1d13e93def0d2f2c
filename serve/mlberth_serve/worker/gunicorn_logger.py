"""gunicorn's log, in our form, at our level, to our stream."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

LOGGER = "gunicorn"


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's messages as records of the logger that `mlberth.logs` has set up; no access log."""

    def setup(self, cfg: Any) -> None:
        """Take no stream, level or format from gunicorn's settings."""
        self.cfg = cfg
        self.error_log = logging.getLogger(LOGGER)
        self._access_log_enabled = False

    def reopen_files(self) -> None:
        """Do nothing: there are no files."""

    def close_on_exec(self) -> None:
        """Do nothing: there are no files."""
