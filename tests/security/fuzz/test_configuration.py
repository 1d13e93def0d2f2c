"""Configuration made by chance: only typed errors, at once, and nothing is changed on the disk."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import pytest
from tests.security.fuzz.fuzzing import LONG, Fuzzer
from tests.security.fuzz.jobs import make_environ, make_files, odd_jobs, right_files

from mlberth.contract.layout import BASE_DIR, Layout
from mlberth.errors import MlberthError
from mlberth_serve.control.explain import explain as explain_serve
from mlberth_serve.control.nginx.config import render
from mlberth_serve.settings import Settings
from mlberth_train.jobs.explain import explain as explain_train
from mlberth_train.jobs.processing import make_job
from mlberth_train.jobs.validation import faults_of
from mlberth_train.settings import open_log

SLOWEST = 5.0
_SNIPPET = re.compile(r"(?:[\w./$:;{}\[\]=\s-]|\"[\w. ()]*\")*")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a job with programs and a channel, between files that nobody may change."""
    layout = Layout(tmp_path / "ml")
    codes = (layout.code, layout.processing_code, layout.model / "code")
    configs = (layout.config, layout.processing_job_config.parent)
    for folder in (*codes, *configs, layout.channel("training"), tmp_path / "other"):
        folder.mkdir(parents=True)
    for code in codes:
        (code / "train.py").write_text("")
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
        return type(error).__name__ if str(error) else "said nothing"
    return "accepted"


def files_of(layout: Layout) -> list[Path]:
    """Return what is in the places of configuration files."""
    return list(layout.base.rglob("*.json"))


def lay_out(layout: Layout, files: Mapping[str, bytes], chance: random.Random | None = None) -> None:
    """Put a job's files into its tree; by chance, now and then, something that is no file."""
    for path in files_of(layout):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, data in files.items():
        path = layout.base / f"{name}.json"
        kind = chance.randrange(60) if chance else -1
        if kind == 0:
            path.mkdir()
        elif kind == 1:
            os.mkfifo(path)
        elif chance and kind == 2:
            path.symlink_to(chance.choice([path.name, "gone", "/dev/zero", "/"]))
        else:
            path.write_bytes(data)


def check_train(layout: Layout, environ: Mapping[str, str]) -> Iterator[str]:
    """Read a training job in every way that there is, and yield how each ended."""
    yield typed(lambda: faults_of(layout.base, environ, sys.executable))
    yield typed(lambda: explain_train({BASE_DIR: str(layout.base), **environ}, sys.executable))


def check_process(layout: Layout, environ: Mapping[str, str]) -> Iterator[str]:
    """Read a processing job."""
    arguments = [] if "SAGEMAKER_PROGRAM" in environ else ["train.py"]
    yield typed(lambda: make_job(layout, arguments, environ, sys.executable, open_log(environ)))


def check_serve(layout: Layout, environ: Mapping[str, str]) -> Iterator[str]:
    """Read a server's settings; whatever is accepted gives nginx plain directives."""
    environ = {BASE_DIR: str(layout.base), **environ}
    yield typed(lambda: explain_serve(environ, []))
    if typed(lambda: Settings.from_environ(environ)) == "accepted":
        files = render(Settings.from_environ(environ), as_root=False)
        for name in ("http.d/upstream.conf", "server.d/server.conf"):
            assert _SNIPPET.fullmatch(files[name])
            assert all(line.count(";") <= 1 for line in files[name].splitlines() if "{" not in line)


CHECKS = {"train": check_train, "process": check_process, "serve": check_serve}


@pytest.mark.parametrize("command", CHECKS)
def test_right_job_is_accepted(layout: Layout, command: str) -> None:
    """What the odd jobs are made of is right, with the specification of its program as well."""
    lay_out(layout, right_files())
    for environ in ({}, {"SAGEMAKER_TRAINING_SPECIFICATION": "specification.json"}):
        assert set(CHECKS[command](layout, environ)) == {"accepted"}
    assert faults_of(layout.base, environ, sys.executable) == []


def test_one_odd_thing_is_read_or_refused(layout: Layout, tmp_path: Path) -> None:
    """Every variable and every value of a file in turn is odd, in a third of all ways, in a right job."""
    found = []
    lay_out(layout, right_files())
    before, there = tree(tmp_path), right_files()
    for job in islice(odd_jobs(), 0, None, 1 if LONG else 3):
        if job.files != there:
            lay_out(layout, job.files)
            there = job.files
        try:
            for _ in CHECKS[job.command](layout, job.environ):
                pass
        except Exception as error:  # noqa: BLE001 - each is a finding
            found.append(f"{job.command}: {error!r:.200} of {dump(layout, job.environ)!r:.2000}")
    assert found == []
    lay_out(layout, right_files())
    assert tree(tmp_path) == before


def test_configuration_made_by_chance_is_read_or_refused(layout: Layout, tmp_path: Path) -> None:
    """Whatever stands in the files and variables, it is accepted, or refused with a typed error."""
    fuzzer = Fuzzer("configuration", short=500, long=100_000)
    figures = Counter({"inputs": 0, "accepted": 0, "untyped": 0, "slow": 0, "writes": 0})
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        lay_out(layout, make_files(chance), chance)
        environ = make_environ(chance)
        before = tree(tmp_path) if number % 50 == 0 else {}
        began = time.process_time()
        try:
            for check in CHECKS.values():
                figures.update(check(layout, environ))
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


def dump(layout: Layout, environ: Mapping[str, str]) -> bytes:
    """Return an input as text."""
    files = {
        str(path.relative_to(layout.base)): repr(path.read_bytes()) if path.is_file() else "no file"
        for path in files_of(layout)
    }
    return json.dumps({"files": files, "environ": dict(environ)}, indent=1).encode()
