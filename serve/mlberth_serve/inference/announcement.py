"""The announcement of what is served, before any of it is loaded: handler, functions, defaults, model."""

from __future__ import annotations

import ast
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from mlberth.errors import MlberthError
from mlberth_serve.algorithms.model_file import find_file
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.locate import Program, bound_names, find_module, find_program
from mlberth_serve.usercode.signatures import SIGNATURES
from mlberth_serve.usercode.unused_code import unused_code
from mlberth_serve.variables import Variables

_DEFAULTS = ("model_fn", "input_fn", "predict_fn", "output_fn")
_ENTRY = "handle"
_EVERYTHING = "*"

log = logging.getLogger(__name__)


def announce(settings: Settings) -> None:
    """Log what is served, and warn of code that is not; what is wrong is for the load to say."""
    with contextlib.suppress(Exception):
        log.info("serving %s", served(settings))
        for doubt in doubts(settings):
            log.warning(doubt)


def served(settings: Settings) -> str:
    """Return in words what is served; raises MlberthError as the search for it does."""
    if settings.serving_module:
        return f"{settings.serving_module}, a WSGI application, of {find_module(settings).path}"
    program = find_program(settings)
    if not program:
        from mlberth_serve.profiles import PROFILES

        if PROFILES[settings.profile].without_code:
            return f"the models in {settings.layout.model}, in the {settings.profile} profile"
        if algorithm := find_file(settings.layout.model):
            return f"{algorithm}, a model of an algorithm, in the platform's formats"
        return f"{_model_file(settings)}; by default: {_by_default(settings, _DEFAULTS)}"
    functions = _functions(program)
    text = f"{program.path}: {', '.join(functions) or 'none of the functions that are called'}"
    if _EVERYTHING in functions or _ENTRY in functions:
        return text
    missing = [name for name in _DEFAULTS if name not in functions]
    if "transform_fn" in functions:
        missing = [name for name in missing if name == "model_fn"]
    text += f"; by default: {_by_default(settings, missing)}" if missing else ""
    return f"{text}; {_model_file(settings)}" if "model_fn" in missing else text


def doubts(settings: Settings) -> list[str]:
    """Return a sentence for each piece of code that is not used; raises MlberthError as `served` does."""
    program = None if settings.serving_module else find_program(settings)
    found = unused_code(settings, program)
    if settings.serving_module or not settings.program:
        return found
    if program and program.module_name == Path(settings.program).stem:
        return found
    no_handler = f"{Variables.program.name} names {settings.program!r}, which is no handler; it is not used"
    return [no_handler, *found]


def _functions(program: Program) -> list[str]:
    """Return which of the functions that are called a program has; `handle` or `*` alone if that counts."""
    try:
        bound = set(bound_names(ast.parse(program.path.read_bytes()).body))
    except (OSError, SyntaxError, ValueError):  # its import says what is wrong with it
        return []
    found = [name for name in SIGNATURES if name in bound]
    if _EVERYTHING in bound:
        return [*found, _EVERYTHING]
    return found or ([_ENTRY] if _ENTRY in bound else [])


def _by_default(settings: Settings, names: Sequence[str]) -> str:
    of = "" if settings.profile == "none" else f" (those of the {settings.profile} profile)"
    return f"{', '.join(names)}{of}"


def _model_file(settings: Settings) -> str:
    """Return the model file in words, and its framework."""
    from mlberth_serve import frameworks

    try:
        framework, path = frameworks.find_model(settings.layout.model)
    except MlberthError:
        return f"no model file in {settings.layout.model}"
    name = next(name for name, each in frameworks.FRAMEWORKS.items() if each is framework)
    return f"the model file {path} ({name})"
