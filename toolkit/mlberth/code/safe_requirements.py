"""requirements.txt held to names, versions and hashes, so that it leads to the index alone.

A line means what it means to pip, from `pip._internal.req.req_file` and `req.constructors`: a name
that ends like an archive, or that is a file's or a folder's, is a path to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mlberth.code.markers import is_marker
from mlberth.errors import DependencyError, Fault
from mlberth.paths import exists, is_file, real

_EXPECTED = "a package's name with extras, versions, a marker and hashes"
_ACTION = "Change it, or unset SAGEMAKER_SAFE_REQUIREMENTS."
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_EXTRAS = rf"(?:\s*\[\s*(?:{_NAME}\s*(?:,\s*{_NAME}\s*)*)?\])?"
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
_VERSIONS = rf"(?:\s*\(?\s*{_CLAUSE}(?:\s*,\s*{_CLAUSE})*\s*,?\s*\)?)?"
_REQUIREMENT = re.compile(rf"(?P<name>{_NAME}){_EXTRAS}{_VERSIONS}")
_HASHES = re.compile(r"(?:--hash[= ]\w+:[0-9a-fA-F]+(?: |$))*")
_LAST_EXTRAS = re.compile(r"\s*\[[^\]]*\]$")
_ARCHIVES = (
    *(".zip", ".whl", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz"),
    *(".tlz", ".tar.lz", ".tar.lzma", ".tar.zst", ".egg"),
)
# They choose among what the index has.
_OPTIONS = re.compile(r"--require-hashes|--prefer-binary|--(?:only-binary|no-binary)[=\s]\s*[\w:,.-]+")
# pip takes an option line apart as a shell would, and what follows `-r` for the name, a `=` too.
_INCLUDE = re.compile(r"(?:-[rc] ?|--(?:requirement|constraint)[= ])(?P<file>[^\s\"'\\$=-][^\s\"'\\$]*)")
_COMMENT = re.compile(r"(^|\s+)#.*$")
# Where pip looks for an encoding, which would make other lines of the same bytes.
_ENCODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_UTF8 = frozenset({b"utf-8", b"utf8", b"utf-8-sig", b"ascii", b"us-ascii"})


def check_requirements(path: Path, folder: Path) -> None:
    """Raise DependencyError for every line that leads elsewhere than to the index.

    Files that it includes are checked as well, and have to be below `folder`.
    """
    faults: list[Fault] = []
    pending, seen = [path], set[tuple[Path, Path]]()
    while pending:
        file = pending.pop(0)
        # What a file includes is looked for beside the name that led to it, if that is a link as well.
        location = (real(file), real(file.parent))
        if location in seen or not exists(file):
            continue  # pip names a file that is not there
        seen.add(location)
        if not is_file(file):
            faults.append(Fault(file.name, "something else than a file", "a file of requirements", _ACTION))
        elif text := _read(file, faults):
            pending += _check_lines(file, text, folder, faults)
    if faults:
        raise DependencyError(*faults)


def _check_lines(file: Path, text: str, folder: Path, faults: list[Fault]) -> Iterator[Path]:
    """Yield what a file includes, and add a fault for each line that leads elsewhere."""
    for number, line in _logical_lines(text):
        if included := _INCLUDE.fullmatch(line):
            path = file.parent / included["file"]
            # pip takes what has a colon for a URL.
            if ":" not in included["file"] and real(path).is_relative_to(real(folder)):
                yield path
                continue
        if not _OPTIONS.fullmatch(line) and not _is_requirement(line, {folder, file.parent}):
            faults.append(Fault(f"{file.name}, line {number}", "something else", _EXPECTED, _ACTION))


def _is_requirement(line: str, folders: set[Path]) -> bool:
    """Return whether pip looks for a line in its index, whatever lies in some folders."""
    words = line.split(" ")
    options = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    text, semicolon, marker = " ".join(words[:options]).partition(";")
    # pip replaces ${NAME} by variables of the environment.
    if semicolon and ("${" in marker or not is_marker(marker)):
        return False
    text = text.strip()
    found = _REQUIREMENT.fullmatch(text)
    if not found or not _HASHES.fullmatch(" ".join(words[options:])):
        return False
    whole = _LAST_EXTRAS.sub("", text)
    if whole.lower().endswith(_ARCHIVES) or found["name"].lower().endswith(_ARCHIVES):
        return False
    return not any(exists(folder / name) for folder in folders for name in (found["name"], whole, text))


def _read(file: Path, faults: list[Fault]) -> str:
    """Return the text of a file that every pip reads alike; add a fault for any other."""
    data = file.read_bytes()
    for number, line in enumerate(data.split(b"\n")[:2], 1):
        encoding = _ENCODING.search(line) if line.lstrip(b"\xef\xbb\xbf").startswith(b"#") else None
        if encoding and encoding[1].lower() not in _UTF8:
            where = f"{file.name}, line {number}"
            faults.append(Fault(where, "something else", "UTF-8, and no name of another encoding", _ACTION))
            return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        where = f"{file.name}, line {number}"
        faults.append(Fault(where, "bytes that are no UTF-8", "UTF-8", _ACTION))
        return ""


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines as pip reads them, joined at backslashes and without comments, with their numbers."""
    begun: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            begun.append(line.strip("\\"))
            continue
        whole = _without_comment("".join([*begun, f" {line}" if is_comment else line]))
        if whole:
            yield number - len(begun), whole
        begun = []
    if whole := _without_comment("".join(begun)):
        yield len(text.splitlines()) - len(begun) + 1, whole


def _without_comment(line: str) -> str:
    # One blank stands for many, over which the expressions here would be slow.
    return _COMMENT.sub("", " ".join(line.split())).strip()
