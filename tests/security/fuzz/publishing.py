"""Writers of checkpoints and of unpacked archives, each with what has to hold however it ends.

Run by itself, it makes the kills of test_artifacts.py: a process of its own has no threads to fork with.
"""

from __future__ import annotations

import random
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.security.fuzz.kills import NotAllowedError, kill_at

from mlberth.checkpoints.stores import IGNORED, Store
from mlberth.code.archives import extract
from mlberth_serve.shared.run_directory import replace_private

OLD, NEW = "old" * 1000, "new" * 50_000


class Writer(NamedTuple):
    """A kind of writer, over a folder of its own."""

    prepare: Callable[[Path], None]
    write: Callable[[Path], None]
    check: Callable[[Path], str]
    """Return what is wrong after a kill, "" for nothing."""


def save(folder: Path, step: int, text: str) -> None:
    """Save a checkpoint of two files, and keep no other."""
    with Store(folder, keep=1).save(step) as inside:
        (inside / "weights").write_text(text)
        (inside / "state").mkdir()
        (inside / "state/more").write_text(text[::-1])


def check_checkpoint(folder: Path) -> str:
    """Ask for the newest: the old one or the new one, whole; the next save leaves nothing behind."""
    store = Store(folder, keep=1)
    latest = store.latest()
    if latest is None:
        return "no checkpoint is left"
    text = (latest.path / "weights").read_text()
    if text != {1: OLD, 2: NEW}[latest.step] or (latest.path / "state/more").read_text() != text[::-1]:
        return f"step {latest.step} is not as it was saved"
    save(folder, 3, OLD)
    left = [path.name for path in folder.iterdir() if path.name.endswith(IGNORED)]
    return f"left behind: {left}" if left else ""


def pack(folder: Path) -> None:
    """Make an archive of a model."""
    folder.mkdir()
    (folder / "model").mkdir()
    for name in ("a", "b", "c"):
        (folder / "model" / name).write_text(NEW)
    with tarfile.open(folder / "model.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.add(folder / "model", ".")


def check_unpacked(folder: Path) -> str:
    """Look at the model: it is whole or absent, and can be unpacked again."""
    out = folder / "out"
    if not out.exists():
        extract(folder / "model.tar.gz", out)
    texts = {path.name: path.read_text() for path in out.iterdir()}
    return "" if texts == dict.fromkeys("abc", NEW) else f"a part: {sorted(texts)}"


def write_state(folder: Path) -> None:
    """Write a state file as the supervisor does."""
    folder.mkdir()
    replace_private(folder / "ready", OLD)


def check_state(folder: Path) -> str:
    """Read the file: it is the old one or the new one, and can be written again."""
    problem = "" if (folder / "ready").read_text() in (OLD, NEW) else "a part of a state file"
    replace_private(folder / "ready", NEW)
    return problem


WRITERS = {
    "checkpoint": Writer(
        lambda folder: save(folder, 1, OLD), lambda folder: save(folder, 2, NEW), check_checkpoint
    ),
    "archive": Writer(pack, lambda folder: extract(folder / "model.tar.gz", folder / "out"), check_unpacked),
    "state": Writer(write_state, lambda folder: replace_private(folder / "ready", NEW), check_state),
}
# What the tests have to notice: for a moment the file is empty.
CARELESS = Writer(write_state, lambda folder: write_in_place(folder / "ready"), check_state)


def write_in_place(path: Path) -> None:
    """Write over a file."""
    path.write_text(NEW)


def main() -> None:
    """Kill a writer many times at random system calls; print how many stops it has, then each problem."""
    name, folder, times, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    writer, chance = WRITERS.get(name, CARELESS), random.Random(seed)
    try:
        count, _ = run(writer, folder, None)
    except NotAllowedError:
        sys.stdout.write("not allowed\n")
        return
    sys.stdout.write(f"{count}\n")
    for number in range(times):
        stop = chance.randrange(count)
        _, problem = run(writer, folder, stop)
        if problem:
            sys.stdout.write(f"kill {number} at stop {stop}: {problem}\n")


def run(writer: Writer, folder: Path, stop: int | None) -> tuple[int, str]:
    """Kill a writer once; return how far it came and what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    writer.prepare(folder)
    count = kill_at(stop, lambda: writer.write(folder))
    return count, writer.check(folder)


if __name__ == "__main__":
    main()
