"""Take out of /opt/venv what no program runs, and compile the rest: the same bytes in every build.

Runs in the build of an image, and does not stay there. usage: trim.py
"""

from __future__ import annotations

import compileall
import csv
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Every file is from 1 January 2020. Python's compiled files hold their source's time.
EPOCH = 1577836800
# Folders of packages' own tests; what other programs test themselves with is in `testing`.
TESTS = {"test", "tests"}
# Programs of torch's own tests and of its build; Windows' launchers, in pip and setuptools.
PROGRAMS = ("torch/bin/test_*", "torch/bin/protoc*", "**/*.exe")


def unwanted(site: Path) -> Iterator[Path]:
    """Yield the folders and files that are only for who develops a package."""
    for folder, names, _ in os.walk(site):
        here = Path(folder)
        for name in TESTS & set(names) if here != site else ():
            names.remove(name)
            yield here / name
    for pattern in PROGRAMS:
        yield from site.glob(pattern)


def remove(path: Path) -> None:
    """Remove a folder or a file."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def correct_records(site: Path) -> None:
    """Take what is gone out of the packages' lists of their files."""
    for record in site.glob("*.dist-info/RECORD"):
        with record.open(newline="") as file:
            rows = list(csv.reader(file))
        kept = [row for row in rows if (site / row[0]).exists()]
        if kept != rows:
            with record.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(kept)


def set_times(folder: Path) -> None:
    """Give every file its time; one that has it already stays in the layer that it is in."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime != EPOCH:
            os.utime(path, (EPOCH, EPOCH))


def main() -> None:
    """Trim the environment that this Python belongs to."""
    site = Path(sysconfig.get_path("purelib"))
    for path in list(unwanted(site)):
        remove(path)
    correct_records(site)
    set_times(Path(sys.prefix))
    # Some packages hold files for newer Pythons, which this one cannot compile; pip passes over them, too.
    compileall.compile_dir(site, quiet=2, workers=0)
    compileall.compile_dir(Path(sys.prefix, "share"), quiet=2, workers=0)
    set_times(Path(sys.prefix))


if __name__ == "__main__":
    main()
