"""The cause of an error as a client may read it if SAGEMAKER_DEBUG_ERRORS is set: on a laptop."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mlberth.masking import masked_text
from mlberth_serve.usercode.locate import Program

DISCLOSURE = (
    "%s=true: clients are told what your code raises, and where. It is for a laptop, not for a server that "
    "others reach"
)
"""The warning that a server gives at its start."""
_MAX_MESSAGE = 2000
# Folders of a path from the root on: a slash after a letter, a dot, a colon or a slash begins none.
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s'\"<>|:,;()\[\]/]+/)+")


def describe_cause(
    error: BaseException, program: Program | None, secrets: Iterable[str] = ()
) -> dict[str, object]:
    """Return the exception's class, its message, and the last line of the user's code that it passed.

    No secret and no folder but those within the code folder is told, and no frame of anybody else's code.
    """
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ in {"builtins", "__main__"}
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    cause: dict[str, object] = {"exception": name, "message": _message(error, program, secrets)}
    if program and (at := _last_own_line(error, program)):
        cause["at"] = at
    return cause


def _message(error: BaseException, program: Program | None, secrets: Iterable[str]) -> str:
    try:
        text = str(error)[:_MAX_MESSAGE]
    except BaseException as failure:  # noqa: BLE001 - the user's exception may raise when it is printed
        return f"<its text cannot be had: {type(failure).__name__}>"
    text = text.encode(errors="replace").decode()  # half of a surrogate pair
    if program:
        text = text.replace(f"{program.folder}/", "")
    return _FOLDERS.sub("", masked_text(text, frozenset(secrets)))


def _last_own_line(error: BaseException, program: Program) -> str:
    found = ""
    trace = error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        if program.owns(code.co_filename):
            path = Path(code.co_filename).relative_to(program.folder)
            found = f"{path}, line {trace.tb_lineno}, in {code.co_name}"
        trace = trace.tb_next
    return found
