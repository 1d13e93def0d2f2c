"""`mlberth run train`, `process`, `transform` and `mlberth recommend`, as jobs of the platform."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec

from mlberth.errors import DependencyError, Fault, MlberthError
from mlberth.log_outlet import say

_INTERRUPTED = 130


def train() -> int:
    """Train on the platform."""
    return _run("train")


def process() -> int:
    """Run a processing job on the platform."""
    return _run("process")


def transform() -> int:
    """Run a transform job on the platform."""
    return _run("transform")


def recommend() -> int:
    """Find the cheapest configuration for a model that holds a latency."""

    def command() -> int:
        from mlberth_local.runs.recommend import parser, run

        return run(parser().parse_args(sys.argv[1:]), os.environ)

    return _guarded("recommend", command)


def _check_extra() -> None:
    """Raise ImportError if the extra is not installed: the daemon would say so in its log alone."""
    for name in ("aiohttp", "botocore", "docker"):
        if find_spec(name) is None:
            raise ImportError(name, name=name)


def _run(kind: str) -> int:
    """Read the arguments and run the job."""

    def command() -> int:
        from mlberth_local.runs.command import run
        from mlberth_local.runs.flags import parser_of

        return run(kind, parser_of(kind).parse_args(sys.argv[1:]), os.environ)

    return _guarded(f"run {kind}", command)


def _guarded(name: str, command: Callable[[], int]) -> int:
    """Run a command; its errors are lines, and no traceback."""
    try:
        _check_extra()
        return command()
    except MlberthError as error:
        failure = error
    except KeyboardInterrupt:
        return _INTERRUPTED
    except ImportError as error:
        missing = Fault(
            f"package {error.name}", "it is not installed", "", 'Run: pip install "mlberth[local]"'
        )
        failure = DependencyError(missing)
    say(f"mlberth {name}: {failure}")
    return failure.exit_code


if __name__ == "__main__":
    sys.exit({"train": train, "process": process, "transform": transform}[sys.argv.pop(1)]())
