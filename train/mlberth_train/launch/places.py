"""Places where a program may lie: the code folder, and where images and users put theirs instead."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mlberth._typing import NamedTuple
from mlberth.contract.layout import Layout
from mlberth.paths import exists, is_file

CODE_CHANNEL = "code"


class Place(NamedTuple):
    """Where a program is."""

    folder: Path
    """What it runs in."""
    file: str
    """Its file, relative to the folder."""
    name: str
    """What it is called, which says what kind of program it is."""


def place_of(code: Path, program: str, others: Sequence[Path] = ()) -> Place:
    """Return where a program is: in the code folder or else in the others; an absolute path in its own.

    What is in none of them has its place in the code folder, whose error says what is there.
    """
    path = PurePosixPath(program)
    if path.is_absolute():
        outside = not path.is_relative_to(code) and ".." not in path.parts
        if outside and is_file(Path(program)):
            return Place(Path(program).parent, path.name, path.name)
        return Place(code, program, program)
    if is_file(code):  # COPY train.py /opt/ml/code, if there was no such folder
        return Place(code.parent, code.name, program)
    if ".." not in path.parts and not exists(code / program):
        for folder in others:
            if is_file(folder / program):
                return Place(folder, program, program)
    return Place(code, program, program)


def other_places(layout: Layout) -> list[Path]:
    """Return where else a program is looked for: in the folder that we are in, and in the channel `code`."""
    try:
        here = [Path(os.getcwd())]  # noqa: PTH109 - Path.cwd() is the same, and raises alike
    except OSError:  # it has been removed
        here = []
    return [*here, layout.channel(CODE_CHANNEL)]
