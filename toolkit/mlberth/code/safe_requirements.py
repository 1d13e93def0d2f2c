"""requirements.txt held to names, versions and hashes, so that it leads to no other place than the index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mlberth.errors import DependencyError, Fault
from mlberth.paths import is_file, real

_EXPECTED = "a package's name with extras, versions, a marker and hashes"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\s*\[\s*(?:{_NAME}\s*(?:,\s*{_NAME}\s*)*)?\])?"
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
_VERSIONS = rf"(?:\s*\(?\s*{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*\)?)?"
_HASHES = r"(?:\s+--hash[=\s]\w+:[0-9a-fA-F]+)*"
_REQUIREMENT = re.compile(rf"{_NAME}{_EXTRAS}{_VERSIONS}(?:\s*;[^@]*?)?{_HASHES}")
# They choose among what the index has.
_OPTIONS = re.compile(r"--require-hashes|--prefer-binary|--(?:only-binary|no-binary)[=\s]\s*[\w:,.-]+")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(?P<file>\S+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")


def check_requirements(path: Path, folder: Path) -> None:
    """Raise DependencyError for every line that leads elsewhere than to the index.

    Files that it includes are checked as well, and have to be below `folder`.
    """
    faults = list(_faults(path, real(folder), set()))
    if faults:
        raise DependencyError(*faults)


def _faults(path: Path, folder: Path, seen: set[Path]) -> Iterator[Fault]:
    if path in seen or not is_file(path):
        return  # pip names a file that is not there
    seen.add(path)
    for number, line in _logical_lines(path.read_text(encoding="utf-8-sig", errors="replace")):
        if included := _INCLUDE.fullmatch(line):
            file = real(path.parent / included["file"])
            # pip takes what has a colon for a URL.
            if ":" not in included["file"] and file.is_relative_to(folder):
                yield from _faults(file, folder, seen)
                continue
        if not _REQUIREMENT.fullmatch(line) and not _OPTIONS.fullmatch(line):
            action = "Change it, or unset SAGEMAKER_SAFE_REQUIREMENTS."
            yield Fault(f"{path.name}, line {number}", "something else", _EXPECTED, action)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines as pip reads them, joined at backslashes and without comments, with their numbers."""
    begun: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun.append(line[:-1])
            continue
        if whole := _without_comment("".join([*begun, line])):
            yield number - len(begun), whole
        begun = []
    if whole := _without_comment("".join(begun)):
        yield len(text.splitlines()) - len(begun) + 1, whole


def _without_comment(line: str) -> str:
    # With one blank in place of many, over which the expressions here would be slow.
    return _COMMENT.sub("", " ".join(line.split())).strip()
