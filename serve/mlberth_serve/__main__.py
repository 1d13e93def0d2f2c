"""The `serve` command."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlberth.command_line import USAGE_ERROR, answer, show
from mlberth.envvars import Reader
from mlberth.errors import MlberthError
from mlberth.log_escapes import indented
from mlberth.log_outlet import say
from mlberth.masking import masked_text, secret_values

USAGE = """\
usage: serve [--explain | --help | --version]

Serve a model on /ping, /invocations and /execution-parameters, as the platform's hosting contract asks.
Everything is set by variables; docs/reference/variables.md has them all. Those that most need:

  SAGEMAKER_BASE_DIR              where model/ and code/ are (/opt/ml)
  SAGEMAKER_PROGRAM               the handler file (inference.py)
  SAGEMAKER_BIND_TO_HOST, _PORT   where to listen (0.0.0.0, 8080)
  SAGEMAKER_MODEL_SERVER_WORKERS  how many processes predict (usable CPUs)
  SAGEMAKER_MODEL_SERVER_TIMEOUT  seconds for one request (60)
  SAGEMAKER_MAX_PAYLOAD_IN_MB     the largest body (25)

  --explain  show what would be served and run, secrets masked, and run nothing

Exit codes: 0 after a stop signal, 65 the model cannot be loaded, 69 a dependency is missing,
78 a variable or a file is wrong, 98 the port is in use, others: a process of the server ended by itself.
"""
HEALTH_USAGE = """\
usage: mlberth health

Ask the server of this container or machine whether it is ready, at SAGEMAKER_BIND_TO_HOST and _PORT.

Exit codes: 0 it is ready; 1 it is not, or nobody serves, with the reason.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve a model over HTTP."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if answer(arguments, USAGE):
        return 0
    try:
        if arguments == ["--explain"]:
            from mlberth.log_escapes import encodable
            from mlberth_serve.control.explain import explain

            text = explain(os.environ, _served(os.environ))
            show(encodable(masked_text(text, secret_values(os.environ))).rstrip("\n"))
            return 0
        if arguments:
            found = f"serve: found {' '.join(arguments)!r}; expected no argument but --explain."
            say(f"{found} Variables set everything.\n\n{USAGE}")
            return USAGE_ERROR
        from mlberth_serve.control.supervisor import serve

        return serve(os.environ)
    except Exception as error:  # noqa: BLE001 - told in the form of the log, or raised again
        return _tell(error)


def _tell(error: Exception) -> int:
    """Say why nothing is served, in the form of the log; returns the exit code."""
    if _logs_json(os.environ):
        return _tell_in_json(error)
    if not isinstance(error, MlberthError):
        raise error
    say(indented(f"serve: {masked_text(str(error), secret_values(os.environ))}"))
    return error.exit_code


def _logs_json(environ: Mapping[str, str]) -> bool:
    """Return whether the log is JSON, whatever is wrong with the other variables."""
    from mlberth_serve.variables import Variables

    return Reader(environ).get(Variables.log_format) == "json"


def _tell_in_json(error: Exception) -> int:
    from mlberth import logs
    from mlberth_serve.shared import failure_report

    secrets = secret_values(os.environ)
    logs.configure(form=logs.JSON, droppable=True, secrets=secrets)
    if not isinstance(error, MlberthError):
        logging.getLogger(__name__).critical("the supervisor failed", exc_info=error)
    failure = failure_report.describe(error, secrets)
    failure_report.tell(failure)
    return failure.exit_code


def _served(environ: Mapping[str, str]) -> list[str]:
    """Return what is served, and what looks like a handler and is not."""
    from mlberth.contract.near_misses import near_variables
    from mlberth_serve.control.install_code import must_fetch
    from mlberth_serve.inference.announcement import doubts, served
    from mlberth_serve.settings import Settings
    from mlberth_serve.variables import ALL

    settings = Settings.from_environ(environ)
    near = near_variables(environ, ALL)
    if must_fetch(settings):
        lines, found = [f"known once the code is there, from {settings.submit_directory}"], near
    else:
        lines, found = [served(settings)], near + doubts(settings)
    return lines + [f"warning: {doubt}" for doubt in found]


def prepare(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Fetch and install the user's code for the server whose private folder is named; its own child."""
    from mlberth_serve.control import install_code
    from mlberth_serve.shared.run_directory import GenerationDirectory

    return install_code.prepare(environ, GenerationDirectory(Path(argv[0])))


def health() -> int:
    """Return whether the server of this container is ready: exit code 0, or 1 with the cause."""
    if answer(arguments := sys.argv[1:], HEALTH_USAGE):
        return 0
    if arguments:
        say(HEALTH_USAGE)
        return USAGE_ERROR
    from mlberth_serve.control.healthcheck import health as ask

    try:
        ready, said = ask(os.environ)
    except MlberthError as error:
        ready, said = False, masked_text(str(error), secret_values(os.environ))
    show(said)
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main())
