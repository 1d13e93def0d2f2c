"""Logging of the commands themselves, to standard error; what the user's program prints is not touched."""

from __future__ import annotations

import logging
import sys
from typing import IO

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LOGGERS = ("mlberth", "mlberth_train", "mlberth_serve")


def configure(level: int = logging.INFO, stream: IO[str] | None = None) -> None:
    """Send records of our loggers, from `level` on, to a stream (standard error by default).

    Only our packages' loggers and those below them are touched: the root logger is the user's.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(logging.Formatter(_FORMAT))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
