"""An engine that goes away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from mlberth_local.engines.base import Engine, EngineError

_CALLS = ("check_image", "start", "states", "stop", "kill", "remove", "names")


@contextmanager
def silence(engine: Engine, *calls: str) -> Iterator[list[str]]:
    """Let an engine answer none of these calls, or none at all; gives the names of those that were tried.

    What it runs goes on.
    """
    tried: list[str] = []

    def fail(name: str, *_: Any) -> None:
        tried.append(name)
        raise EngineError("it does not answer")

    with pytest.MonkeyPatch.context() as patch:
        for name in calls or _CALLS:
            patch.setattr(engine, name, partial(fail, name))
        yield tried
