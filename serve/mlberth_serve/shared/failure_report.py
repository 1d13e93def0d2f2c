"""The reason why nothing can be served: the process that knows it tells the supervisor, which ends."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlberth import logs
from mlberth.errors import MlberthError, PlatformError
from mlberth.masking import masked_text
from mlberth_serve.shared.run_directory import write_private
from mlberth_serve.usercode.load_errors import UserCodeError

log = logging.getLogger("mlberth_serve")


@dataclass(frozen=True)
class Failure:
    """One cause, as one process hands it to another, and the exit code."""

    line: str
    """A JSON object on one line, without secrets."""
    exit_code: int

    @property
    def fields(self) -> dict[str, Any]:
        """What the line holds, by name."""
        fields: dict[str, Any] = json.loads(self.line)
        return fields


def tell(failure: Failure) -> None:
    """Log a failure as the last word of a server: its message, and in JSON what else is known."""
    fields = failure.fields
    log.critical("%s", fields.pop("message"), extra={logs.FIELDS: fields})


def record(path: Path, error: BaseException, secrets: Iterable[str]) -> Failure:
    """Write the cause down for the supervisor, unless another process has; returns it."""
    failure = describe(error, secrets)
    with contextlib.suppress(FileExistsError):
        write_private(path, failure.line)
    return failure


def read(path: Path) -> Failure | None:
    """Return the cause that was written down, if one was, whole."""
    try:
        line = path.read_text()
        return Failure(line, int(json.loads(line)["exit_code"]))
    except (FileNotFoundError, ValueError):  # not there, or still being written
        return None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as failure:  # noqa: BLE001 - the user's exception may raise when it is printed
        return f"<its text cannot be had: {type(failure).__name__}>"


def describe(error: BaseException, secrets: Iterable[str] = ()) -> Failure:
    """Put an error into words without secrets; what is none of ours counts as the platform's fault."""
    exit_code = error.exit_code if isinstance(error, MlberthError) else PlatformError.exit_code
    fields: dict[str, object] = {
        "event": "serve_failed",
        "error": type(error).__name__,
        "exit_code": exit_code,
        "message": _text_of(error),
    }
    if isinstance(error, MlberthError):
        fields["faults"] = [fault._asdict() for fault in error.faults]
    if isinstance(error, UserCodeError):
        cause = asdict(error.cause)
        del cause["traceback"]  # the log has it already, in lines of its own
        fields["cause"] = cause
    return Failure(json.dumps(_masked(fields, frozenset(secrets))), exit_code)


def _masked(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, str):
        return masked_text(value, secrets)
    if isinstance(value, dict):
        return {name: _masked(inner, secrets) for name, inner in value.items()}
    return [_masked(inner, secrets) for inner in value] if isinstance(value, list) else value
