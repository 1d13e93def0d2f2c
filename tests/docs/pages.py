"""A page as a reader follows it: files to save, commands to type, and the output that the page promises.

A block of `python` with a title is a file. A block of `sh` is typed; the block of `text` after it is what the
commands write, to standard output and standard error. Without one they write nothing. A titled `text` is a
picture.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r'^```(python title="(?P<name>[^"]+)"|sh|text|text title="[^"]+")\n(?P<content>.*?)^```$',
    re.DOTALL | re.MULTILINE,
)
# Written between the outputs of two steps; no program of a page writes it.
_END_OF_STEP = "\x1e"
# What differs from run to run, and what stands for it.
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"), "TIME"),
    (re.compile(r"/python(3(\.\d+)?)?\b"), "/python"),
    (re.compile(r"\b\d+\.\d+ s\b"), "SECONDS s"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "CONTAINER"),
    (re.compile(r'"request_id": ?"[^"]+"'), '"request_id":"ID"'),
    (re.compile(r"(?<= on )[\w.-]+(?=\.?$| \(rank)", re.MULTILINE), "HOST"),
)


@dataclass(frozen=True)
class File:
    """What a reader saves under a name."""

    name: str
    content: str


@dataclass(frozen=True)
class Step:
    """What a reader types, and what the page shows as the output."""

    commands: str
    output: str = ""


def read(text: str) -> list[File | Step]:
    """Return the files and steps of a page, in their order."""
    found: list[File | Step] = []
    for block in _BLOCK.finditer(text):
        content = block["content"]
        if block["name"]:
            found.append(File(block["name"], content))
        elif block[1] == "sh":
            found.append(Step(content))
        elif block[1] == "text":
            step = found.pop()
            assert isinstance(step, Step), f"output that no command has: {content}"
            assert not step.output, f"a second output of {step.commands}"
            found.append(Step(step.commands, content))
    fences = re.findall(r"^```", text, re.MULTILINE)
    assert len(fences) == 2 * len(_BLOCK.findall(text)), (
        "a block of code that is neither file, command nor output"
    )
    return found


def script(parts: Iterable[File | Step]) -> str:
    """Return a bash script that follows a page; what is left in the background ends with it."""
    lines = ["exec 2>&1", "set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null && wait || true' EXIT"]
    for part in parts:
        if isinstance(part, File):
            lines += [f"cat > {part.name} <<'END_OF_FILE'", part.content + "END_OF_FILE"]
        else:
            lines += [part.commands, f"printf '{_END_OF_STEP}'"]
    return "\n".join(lines)


def typist(home: Path, port: int) -> dict[str, str]:
    """Return the environment of somebody who has Python, pip's configuration and curl, and sets nothing."""
    own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return own | {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
    }


def differences(parts: Sequence[File | Step], output: str, folder: Path, port: int) -> str:
    """Return how the output of the page's script differs from what the page shows; "" if it does not."""
    steps = [part for part in parts if isinstance(part, Step)]
    text = output.replace(str(folder), "/home/me").replace(f":{port}", ":8080")
    found = text.split(_END_OF_STEP)
    if len(found) <= len(steps):
        return f"these commands fail:\n{steps[len(found) - 1].commands}\n{found[-1]}"
    lines: list[str] = []
    for step, written in zip(steps, found, strict=False):
        shown, got = normal(step.output).splitlines(), normal(written).splitlines()
        if shown != got:
            lines += [step.commands, *difflib.unified_diff(shown, got, "the page", "the output", lineterm="")]
    return "\n".join(lines)


def normal(text: str) -> str:
    """Return an output without what differs from run to run."""
    for pattern, name in _VARIABLE:
        text = pattern.sub(name, text)
    return text.strip()
