"""Archives made by chance: unpacked inside their folder, or refused with nothing written at all."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections import Counter
from pathlib import Path

from tests.security.fuzz.archives import make_archive
from tests.security.fuzz.fuzzing import Fuzzer

from mlberth.code.archives import ArchiveError, Limits, extract

SLOWEST = 5.0
LONGEST_MESSAGE = 1000
LIMITS = Limits(total_bytes=4 * 1024**2, ratio_from=1024**2)


def problem_of(archive: Path, out: Path, *, links: bool) -> str:
    """Unpack an archive; return what is wrong with how that ended, "" for nothing."""
    try:
        extract(archive, out, limits=LIMITS, links=links)
    except ArchiveError as error:
        if os.path.lexists(out):
            return "it was refused, and unpacked"
        return "" if len(str(error)) < LONGEST_MESSAGE else "a message without an end"
    except Exception as error:  # noqa: BLE001 - each is a finding
        return repr(error)[:300]
    return next((problem for path in out.rglob("*") if (problem := problem_with(path, out, links=links))), "")


def problem_with(path: Path, out: Path, *, links: bool) -> str:
    """Return why a path may not come out of an archive, "" where it may."""
    status = path.lstat()
    if path.is_symlink():
        inside = Path(os.path.normpath(path.parent / path.readlink())).is_relative_to(out)
        return "" if links and inside else "a link"
    if not (path.is_dir() or path.is_file()):
        return "neither a file nor a folder"
    if status.st_nlink > 1 and path.is_file():
        return "a hard link"
    if len(os.fsencode(path.relative_to(out))) > LIMITS.path_bytes:
        return "a long path"
    return "a set-id bit" if status.st_mode & (stat.S_ISUID | stat.S_ISGID) else ""


def test_archive_made_by_chance_is_unpacked_or_refused(tmp_path: Path) -> None:
    """Only typed errors, at once, and no byte outside the destination, nor inside where it is refused."""
    fuzzer = Fuzzer("archives", short=1500, long=100_000)
    figures = Counter({"inputs": 0, "unpacked": 0, "refused": 0, "faults": 0, "slow": 0})
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sentinel").write_text("as it was")
    work = tmp_path / "work"
    work.mkdir()
    archive, out = tmp_path / "archive", work / "out"
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        data = make_archive(chance)
        archive.write_bytes(data)
        began = time.process_time()
        problem = problem_of(archive, out, links=chance.random() < 0.3)
        if time.process_time() - began > SLOWEST:
            problem, figures["slow"] = problem or "slow", figures["slow"] + 1
        figures["unpacked" if out.exists() else "refused"] += 1
        shutil.rmtree(out, ignore_errors=True)
        if list(work.iterdir()):
            problem = "something is left beside the destination"
        if sorted(path.name for path in tmp_path.rglob("*")) != ["archive", "other", "sentinel", "work"]:
            problem = "something is left outside"
        if problem:
            figures["faults"] += 1
            fuzzer.fail(number, problem, data)
        figures["inputs"] += 1
    fuzzer.report(**figures)
    assert fuzzer.failures == []
    assert (tmp_path / "other/sentinel").read_text() == "as it was"
    assert figures["unpacked"] > figures["inputs"] / 20
