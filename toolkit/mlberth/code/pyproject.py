"""Dependencies that a pyproject.toml declares, for one whose package cannot be built.

Source: PEP 621 for `[project]`; Poetry's documentation of dependencies for `[tool.poetry]`.
"""

from __future__ import annotations

import re
from pathlib import Path

from mlberth._typing import typing

_NUMBERS = r"\d+(\.\d+)*"


def dependencies(path: Path) -> tuple[list[str], list[str]]:
    """Return what a file depends on as pip takes it, and the names of what cannot be said so.

    A file that cannot be read as TOML depends on nothing: the build has said what is wrong with it.
    """
    try:
        parsed = _parse(path.read_text("utf-8-sig"))
    except (OSError, ValueError, ImportError):
        return [], []
    declared = _table(parsed, "project").get("dependencies")
    if isinstance(declared, list):
        return [text for text in declared if isinstance(text, str)], []
    known, unknown = [], []
    for name, constraint in _table(parsed, "tool", "poetry", "dependencies").items():
        if name.lower() == "python":
            continue
        specifiers = _specifiers(constraint)
        if specifiers is None:
            unknown.append(name)
        else:
            known.append(f"{name}{specifiers}")
    return known, unknown


def _parse(text: str) -> dict[str, typing.Any]:
    from importlib import import_module

    try:
        toml = import_module("tomllib")
    except ImportError:  # Python 3.10; pip, which is what could not build it, has one of its own
        toml = import_module("pip._vendor.tomli")
    parsed: dict[str, typing.Any] = toml.loads(text)
    return parsed


def _table(parsed: dict[str, typing.Any], *names: str) -> dict[str, typing.Any]:
    found: typing.Any = parsed
    for name in names:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _specifiers(constraint: typing.Any) -> str | None:
    """Return a constraint of Poetry's as pip has it, with extras before it; None if there is no such."""
    extras = ""
    if isinstance(constraint, dict):
        if not constraint.keys() <= {"version", "extras"}:
            return None
        extras = f"[{','.join(constraint['extras'])}]" if constraint.get("extras") else ""
        constraint = constraint.get("version", "*")
    if not isinstance(constraint, str):
        return None
    parts = [_specifier(part.strip()) for part in constraint.split(",")]
    return None if None in parts else extras + ",".join(filter(None, parts))


def _specifier(text: str) -> str | None:
    if text in {"*", ""}:
        return ""
    if re.fullmatch(rf"(===|==|!=|~=|<=|>=|<|>)\s*{_NUMBERS}\S*", text):
        return text.replace(" ", "")
    sign, version = (text[0], text[1:].strip()) if text[0] in "^~" else ("", text)
    if not sign:
        return f"=={version}" if re.fullmatch(rf"{_NUMBERS}(\.\*)?", version) else None
    if not re.fullmatch(_NUMBERS, version):
        return None
    numbers = [int(part) for part in version.split(".")]
    if sign == "~":
        place = min(1, len(numbers) - 1)
    else:  # up to the next change of the first number that is not 0
        place = next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)
    end = [*numbers[:place], numbers[place] + 1]
    return f">={version},<{'.'.join(map(str, end))}"
