"""gunicorn's log, in our form, at our level, to our stream."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

LOGGER = "gunicorn"
_REFUSED = "Invalid request from ip="
"""How the line begins that there would be for each request that cannot be read, with what its client sent."""


_ENDED = "Worker (pid:%s) "
"""How the line of a worker's end begins: `worker_deaths.py` says more of it."""


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's messages as records of the logger that `mlberth.logs` has set up; no access log."""

    def setup(self, cfg: Any) -> None:
        """Take no stream, level or format from gunicorn's settings."""
        self.cfg = cfg
        self.error_log = logging.getLogger(LOGGER)
        self._access_log_enabled = False
        self.ended: dict[int, str] = {}
        """How workers have ended, by pid: the name of a signal, or `code:` and an exit code."""

    def info(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log a message, unless it is of a worker's end."""
        if not self._note_end(msg, args):
            super().info(msg, *args, **kwargs)

    def error(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log an error, unless it is of a worker's end."""
        if not self._note_end(msg, args):
            super().error(msg, *args, **kwargs)

    def _note_end(self, msg: str, args: tuple[Any, ...]) -> bool:
        if not msg.startswith(_ENDED) or len(args) != 2:
            return False
        pid, how = args
        self.ended[pid] = how if isinstance(how, str) else f"code:{how}"
        return True

    def warning(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log a warning, unless it is of a request that was refused or of a worker's end."""
        if not msg.startswith(_REFUSED) and not self._note_end(msg, args):
            super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        """Log an exception; a target of a request among the arguments loses its query."""
        shown = [argument.partition("?")[0] if isinstance(argument, str) else argument for argument in args]
        super().exception(msg, *shown, **kwargs)

    def reopen_files(self) -> None:
        """Do nothing: there are no files."""

    def close_on_exec(self) -> None:
        """Do nothing: there are no files."""
