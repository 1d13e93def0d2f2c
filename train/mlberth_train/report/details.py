"""`output/data/failure.json`: what there is to know of a failure, for a program that reads it.

`output/failure` has room for 1024 bytes; docs/reference/training.md describes the fields.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from mlberth._typing import typing
from mlberth.errors import MlberthError
from mlberth.process.supervise import Outcome
from mlberth_train.report.cause import Cause, clean
from mlberth_train.report.context import ReportContext
from mlberth_train.report.exhaustion import Exhaustion

VERSION = 1
_LAST_LINES = 200


def failure_details(
    cause: Cause,
    problem: object,
    context: ReportContext,
    exhaustion: Exhaustion,
    command: Sequence[str],
    *,
    metrics: Mapping[str, typing.Any] | None = None,
) -> str:
    """Return the JSON of a failure, secrets masked."""
    details: dict[str, typing.Any] = {
        "version": VERSION,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kind": cause.kind,
        "message": cause.headline,
        "exit_code": cause.exit_code,
        "signal": cause.signal,
        "stopped_by": cause.after or None,
        "host": context.name,
        "rank": context.rank,
        "hosts": context.hosts,
        "ranks": context.ranks,
        "command": list(command),
        "frames": [frame._asdict() for frame in cause.frames],
        "oom_kills": exhaustion.oom_kills,
        "memory_limit": exhaustion.memory_limit,
        "full_disks": [str(folder) for folder in exhaustion.full],
    }
    details |= metrics or {}
    if isinstance(problem, MlberthError):
        details["faults"] = [fault._asdict() for fault in problem.faults]
    if isinstance(problem, Outcome):
        details["seconds"] = round(problem.seconds, 3)
        details["stderr"] = context.mask_output(problem).splitlines()[-_LAST_LINES:]
    return json.dumps(_masked(details, context), indent=2) + "\n"


def _masked(value: typing.Any, context: ReportContext) -> typing.Any:
    if isinstance(value, str):
        return clean(context.mask(value))
    if isinstance(value, list):
        return [_masked(item, context) for item in value]
    if isinstance(value, dict):
        return {name: _masked(item, context) for name, item in value.items()}
    return value
