"""Configuration made by chance: only typed errors, at once, and nothing is changed on the disk."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.security.fuzz.fuzzing import Fuzzer
from tests.security.fuzz.jobs import make_environ, make_files

from mlberth.errors import MlberthError
from mlberth.layout import BASE_DIR, Layout
from mlberth_serve.explanation import explain as explain_serve
from mlberth_serve.nginx import snippets
from mlberth_serve.settings import Settings
from mlberth_train.explanation import explain as explain_train
from mlberth_train.validation import faults_of

SLOWEST = 5.0
_SNIPPET = re.compile(r"[\w./$:;{}\[\]=\s-]*")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a job with a program and a channel, between files that nobody may change."""
    layout = Layout(tmp_path / "ml")
    for folder in (layout.config, layout.channel("training"), layout.code, tmp_path / "other"):
        folder.mkdir(parents=True)
    (layout.code / "train.py").write_text("")
    (tmp_path / "other/sentinel").write_text("as it was")
    return layout


def tree(folder: Path) -> dict[str, object]:
    """Return what is in a folder, and what in its files."""
    return {
        str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else path.is_symlink()
        for path in folder.rglob("*")
    }


def typed(check: Callable[[], object]) -> str:
    """Return "accepted" or the class of the typed error; any other exception goes through."""
    try:
        check()
    except MlberthError as error:
        return type(error).__name__
    return "accepted"


def lay_out(layout: Layout, chance: random.Random) -> None:
    """Put a job's files into its tree, now and then something that is no file."""
    for path in layout.config.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, data in make_files(chance).items():
        path = layout.config / f"{name}.json"
        kind = chance.randrange(60)
        if kind == 0:
            path.mkdir()
        elif kind == 1:
            os.mkfifo(path)
        elif kind == 2:
            path.symlink_to(chance.choice([path.name, "gone", "/dev/zero", "/"]))
        else:
            path.write_bytes(data)


def check_train(layout: Layout, environ: dict[str, str]) -> Iterator[str]:
    """Read a job in every way that there is, and yield how each ended."""
    yield typed(lambda: faults_of(layout.base, environ, sys.executable))
    yield typed(lambda: explain_train({**environ, BASE_DIR: str(layout.base)}, sys.executable))


def check_serve(environ: dict[str, str]) -> Iterator[str]:
    """Read a server's settings; whatever is accepted gives nginx plain directives."""
    yield typed(lambda: explain_serve(environ))
    if typed(lambda: Settings.from_environ(environ)) == "accepted":
        files = snippets(Settings.from_environ(environ), as_root=False)
        for name in ("http.d/upstream.conf", "server.d/server.conf"):
            assert _SNIPPET.fullmatch(files[name])
            assert all(line.count(";") <= 1 for line in files[name].splitlines() if "{" not in line)


def test_configuration_made_by_chance_is_read_or_refused(layout: Layout, tmp_path: Path) -> None:
    """Whatever stands in the files and variables, it is accepted, or refused with a typed error."""
    fuzzer = Fuzzer("configuration", short=1000, long=100_000)
    figures = Counter({"inputs": 0, "accepted": 0, "untyped": 0, "slow": 0, "writes": 0})
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        lay_out(layout, chance)
        environ = make_environ(chance)
        before = tree(tmp_path) if number % 50 == 0 else {}
        began = time.process_time()
        try:
            for ended in (*check_train(layout, environ), *check_serve(environ)):
                figures[ended] += 1
        except Exception as error:  # noqa: BLE001 - each is a finding
            figures["untyped"] += 1
            fuzzer.fail(number, repr(error)[:300], dump(layout, environ))
        if time.process_time() - began > SLOWEST:
            figures["slow"] += 1
            fuzzer.fail(number, "slow", dump(layout, environ))
        if before and tree(tmp_path) != before:
            figures["writes"] += 1
            fuzzer.fail(number, "a write", dump(layout, environ))
        figures["inputs"] += 1
    fuzzer.report(**figures)
    assert fuzzer.failures == []


def dump(layout: Layout, environ: dict[str, str]) -> bytes:
    """Return an input as text."""
    files = {
        path.name: repr(path.read_bytes()) if path.is_file() else "no file"
        for path in layout.config.iterdir()
    }
    return json.dumps({"files": files, "environ": environ}, indent=1).encode()
