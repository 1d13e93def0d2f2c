"""Errors of unpickling: which class or module is missing, and what to do about it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

_NO_ATTRIBUTE = re.compile(r"Can't get (?:local )?attribute '([^']+)' (?:on|from) <module '([^']+)'")
_NO_MEMBER = re.compile(r"module '([^']+)' has no attribute '([^']+)'")
_PROGRAMS = frozenset({"__main__", "__mp_main__"})


class Explanation(NamedTuple):
    """The parts of a fault but for its place."""

    found: str
    expected: str
    action: str


def explain(error: BaseException) -> Explanation | None:
    """Say what of a pickle cannot be found here; None for an error of another kind."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _explain_module(error.name)
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or '?').name}, line {error.lineno}"
        return Explanation(
            f"{type(error).__name__} in {place}: {error.msg}", "a module that can be imported", ""
        )
    if isinstance(error, ImportError):
        action = "Pin it in requirements.txt, or save the model again with the version that is here."
        return Explanation(str(error), "the version of the package with which the model was saved", action)
    return explain_attribute(error)


def explain_attribute(error: BaseException) -> Explanation | None:
    """Say which class of a pickle is not where it was saved from; None for an error of another kind."""
    if not isinstance(error, AttributeError):
        return None
    if match := _NO_ATTRIBUTE.search(str(error)):
        name, module = match.groups()
    elif match := _NO_MEMBER.search(str(error)):
        module, name = match.groups()
    else:
        return None
    if module.rpartition(".")[2] not in _PROGRAMS:  # `python -m` has the name of a package before it
        return _of_another_version(f"{module}.{name}", module) if match.re is _NO_ATTRIBUTE else None
    return Explanation(
        f"an object of {name}, which was defined in the program that saved the model, its `__main__`",
        f"{name} in a module that both programs import",
        f"Put {name} into a file of its own, import it from there in the program, save the model again, and "
        "put the file into the code folder (code/ in the model folder).",
    )


def _explain_module(name: str) -> Explanation:
    top = name.partition(".")[0]
    if name != top and importlib.util.find_spec(top):
        return _of_another_version(name, top)
    return Explanation(
        f"an object of the module {name!r}, which is not here",
        f"{name} in the code folder, or installed",
        f"Put {top}.py into the code folder (code/ in the model folder), or the package that has it into "
        "requirements.txt.",
    )


def _of_another_version(what: str, module: str) -> Explanation:
    import importlib.metadata  # it takes `email` along, which no start should wait for

    top = module.partition(".")[0]
    names = importlib.metadata.packages_distributions().get(top, [])
    if not names:
        return Explanation(
            f"an object of {what}, which is not in the {module} that is here",
            f"the {module} with which the model was saved",
            "Put that file into the code folder.",
        )
    package = names[0]
    version = importlib.metadata.version(package)
    return Explanation(
        f"an object of {what}, which {package} {version} does not have",
        f"the version of {package} with which the model was saved",
        "Pin it in requirements.txt, or save the model again with the version that is here.",
    )
