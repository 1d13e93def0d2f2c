"""Near misses: variables and configuration files whose names are almost those that we read.

What they were to change stays as it was. A name that the platform, an SDK or another container uses is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mlberth._typing import typing
from mlberth.contract.foreign_variables import is_foreign
from mlberth.contract.layout import Layout
from mlberth.envvars import Variable, is_set

_OURS = "SAGEMAKER"
_PREFIXES = ("SAGEMAKER_", "SAGE_MAKER_", "MLBERTH_", "SM_")
# Words that a name is as well told by without, and others that mean the same.
_FILLING = frozenset({"SECONDS", "SECS", "SEC", "S", "IN", "MB", "TO", "THE", "OF", "ON"})
_SAME = {
    "DIRECTORY": "DIR",
    "FOLDER": "DIR",
    "CONFIG": "CONF",
    "CERTIFICATE": "CERT",
    "HOSTNAME": "HOST",
    "ADDRESS": "HOST",
}
_PLURAL = "S"
_SAY_NOTHING = frozenset({"NAME", "DIR", "FILE", "TYPE"})
"""Words that are the last of many names, and alone mean none."""
_FEW = 3
_CONFIG_FILES = ("hyperparameters", "inputdataconfig", "resourceconfig", "checkpointconfig")


def near_variables(environ: Mapping[str, str], own: Iterable[Variable[typing.Any]]) -> list[str]:
    """Return a sentence for each variable that is set and is almost one of ours, by name.

    `own` are those of the command; those of our other commands are looked at if a name is in question.
    """
    variables = {name: variable for variable in own for name in (variable.name, *variable.aliases)}
    doubtful = [
        name
        for name in sorted(environ)
        if name not in variables
        and _begins_like_ours(name)
        and not is_foreign(name)
        and is_set(environ, name)
    ]
    if not doubtful:
        return []
    for variable in _variables_of_other_commands():
        for name in (variable.name, *variable.aliases):
            variables.setdefault(name, variable)
    found = ((name, _nearest(name, variables)) for name in doubtful if name not in variables)
    return [
        f"{name} is set, and nothing reads it: did you mean {' or '.join(meant)}?"
        for name, meant in found
        if meant
    ]


def near_files(layout: Layout) -> list[str]:
    """Return a sentence for each file that is almost a configuration file of the job that is missing."""
    found = []
    for stem in _CONFIG_FILES:
        right = layout.config / f"{stem}.json"
        if os.path.lexists(right):
            continue
        others = [
            file
            for folder in (layout.config, layout.input, layout.base / "config", layout.base)
            for file in _files(folder)
            if _is_near_file(file.name, stem, in_place=folder == layout.config)
        ]
        found += [f"{file} is not read: did you mean {right}?" for file in others]
    return found


def within(one: str, other: str, limit: int) -> bool:
    """Return whether few edits lead from one text to another: a letter more, less, changed, two swapped."""
    if abs(len(one) - len(other)) > limit:
        return False
    before: list[int] = []
    row = list(range(len(other) + 1))
    for index, letter in enumerate(one, 1):
        older, before, row = before, row, [index]
        for at, match in enumerate(other, 1):
            cost = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != match))
            if index > 1 and at > 1 and letter == other[at - 2] and one[index - 2] == match:
                cost = min(cost, older[at - 2] + 1)
            row.append(cost)
    return row[-1] <= limit


def _begins_like_ours(name: str) -> bool:
    upper = name.upper()
    if upper.startswith(_PREFIXES):
        return True
    first = upper.partition("_")[0]
    return first != _OURS and len(first) > 6 and "_" in name and within(first, _OURS, 2)


def _variables_of_other_commands() -> Iterator[Variable[typing.Any]]:
    """Yield the variables of each of our packages that has commands; those are in its module `variables`."""
    import sys
    from importlib import import_module

    from mlberth.__main__ import find_commands

    packages = {target.partition(".")[0] for target in find_commands(sys.path).values()}
    for package in sorted(packages - {"mlberth"}):
        try:
            yield from import_module(f"{package}.variables").ALL
        except (ImportError, AttributeError):
            continue


def _nearest(name: str, variables: Mapping[str, Variable[typing.Any]]) -> list[str]:
    """Return the names that may be meant: one, or a few that are equally near."""
    tail = _tail(name)
    likenesses = [_is_same, _is_typo, _has_same_words, _has_a_word_less, _has_a_word_more]
    if name.startswith("SM_"):  # most of what begins so is a program's own, or the platform's
        likenesses = [_is_same, _is_typo] if "_" in tail or tail == "PROGRAM" else []
    for near in likenesses:
        alike = {other: len(_words(_tail(other))) for other in variables if near(tail, _tail(other))}
        fewest = min(alike.values(), default=0)
        meant = {variables[other].name for other, count in alike.items() if count == fewest}
        if meant:
            return sorted(meant) if len(meant) <= _FEW else []
    return []


def _tail(name: str) -> str:
    """Return what a name is without the beginning that all have, however that is spelt."""
    upper = name.upper()
    for prefix in _PREFIXES:
        if upper.startswith(prefix):
            return upper.removeprefix(prefix)
    return upper.partition("_")[2] if _begins_like_ours(name) else upper


def _is_same(tail: str, other: str) -> bool:
    return tail == other or tail.replace("_", "") == other.replace("_", "")


def _is_typo(tail: str, other: str) -> bool:
    longest = max(len(tail), len(other))
    return longest > 4 and within(tail, other, 1 if longest < 9 else 2)


def _words(tail: str) -> list[str]:
    """Return the words of a name by which it is known."""
    words = [_SAME.get(word, word) for word in tail.split("_") if word not in _FILLING]
    return [word.removesuffix(_PLURAL) if len(word) > 3 else word for word in words]


def _has_same_words(tail: str, other: str) -> bool:
    return sorted(_words(tail)) == sorted(_words(other))


def _has_a_word_less(tail: str, other: str) -> bool:
    """Tell `WORKERS` or `MODEL_WORKERS` for `MODEL_SERVER_WORKERS`: the last word says what it is."""
    words, others = _words(tail), _words(other)
    if not words or _SAY_NOTHING.issuperset(words):
        return False
    return words[-1] == others[-1] and set(words) < set(others)


def _has_a_word_more(tail: str, other: str) -> bool:
    words, others = _words(tail), _words(other)
    return len(others) > 1 and len(words) == len(others) + 1 and set(others) < set(words)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_file())
    except OSError:
        return []


def _is_near_file(name: str, stem: str, *, in_place: bool) -> bool:
    lower = name.lower()
    if lower == f"{stem}.json":
        return True  # in another folder, or in other letters
    bare = "".join(letter for letter in lower.split(".")[0] if letter.isalnum())
    if not in_place:
        return False
    begins = stem.startswith(bare.removesuffix("s")) or bare.startswith(stem)
    return (begins and len(bare) > 5) or within(bare, stem, 2)
