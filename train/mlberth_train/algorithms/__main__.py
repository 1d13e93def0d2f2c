"""The process that trains with an algorithm, in the place of the user's program.

Its log goes to standard output, so that standard error ends in the reason of a failure.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import suppress
from importlib.util import find_spec

from mlberth import logs
from mlberth.contract.environment import Environment
from mlberth.errors import DependencyError, Fault, MlberthError
from mlberth.log_outlet import say
from mlberth_train.algorithms.registry import find_algorithm


def main(name: str) -> int:
    """Train with an algorithm; returns the exit code."""
    try:
        algorithm = find_algorithm(name)
        environment = Environment.from_environ(os.environ)
        logs.configure(environment.log_level, sys.stdout, more=["py.warnings"])
        logging.captureWarnings(True)
        for module, installed_by in algorithm.needs.items():
            if find_spec(module) is None:
                raise DependencyError(Fault(f"the algorithm {name}", f"no module {module}", installed_by))
        algorithm.train(algorithm.read(environment, os.environ))
    except MlberthError as error:
        say(f"{type(error).__name__}: {error}")
        return error.exit_code
    return 0


def _leave(code: int) -> None:
    """End here and now: the threads of a collective whose other hosts have failed would be waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        exit_code = main(sys.argv[1])
    except Exception:  # noqa: BLE001 - what nobody foresaw ends in a traceback, as in any program
        traceback.print_exc()
        exit_code = 1
    _leave(exit_code)
