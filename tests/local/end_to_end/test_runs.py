"""Tests of `mlberth run train`, `process` and `transform` as jobs of the platform, as people type them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.local.end_to_end.daemon import MLBERTH, Daemon
from tests.support import is_alive, wait_until, within

TRAIN = """\
import os, pathlib, signal, sys, time
print("n is", os.environ["SM_HP_N"], os.listdir(os.environ["SM_CHANNEL_TRAIN"]), flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text("1")
if os.environ["SM_HP_N"] == "0":
    sys.exit(3)
if "PID_FILE" in os.environ:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("saved", flush=True)))
    pathlib.Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
    time.sleep(600)
"""
PROCESS = """\
import os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "processing")
rows = (base / "input/raw/a.csv").read_text().split()
(base / "output/clean/a.csv").write_text(" ".join(rows[: int(sys.argv[1])]))
"""
HANDLER = """\
def model_fn(model_dir): return 2.0
def predict_fn(data, model): return data * model
"""


@pytest.fixture
def home(tmp_path: Path) -> Daemon:
    """Return a home without a daemon, with a project and its data beside it."""
    for name, text in {
        "project/train.py": TRAIN,
        "project/process.py": PROCESS,
        "handler/inference.py": HANDLER,
        "data/a.csv": "1\n2\n3\n",
        "model/nothing": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Daemon(tmp_path)


class Terminal(Thread):
    """A terminal as people look at it: it reads all, since a program waits for one that does not."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self.descriptor, self.shown = descriptor, b""

    def run(self) -> None:
        """Read until nobody writes any more."""
        with suppress(OSError):  # EIO: the other end is closed
            while chunk := os.read(self.descriptor, 4096):
                self.shown += chunk

    def __enter__(self) -> Terminal:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join(60)
        os.close(self.descriptor)


def words(home: Daemon, kind: str, *more: str) -> list[str]:
    """Return the words of a run with the process engine."""
    folder = str(home.folder / "project")
    return ["run", kind, *([folder] if kind != "transform" else []), "--engine", "process", *more]


def test_a_run_without_a_daemon_leaves_none(home: Daemon) -> None:
    """Train, process and transform on a folder; the results are beside it, and nothing runs afterwards."""
    data, out = f"train={home.folder}/data", str(home.folder / "out")
    done = home.run(*words(home, "train", "--input", data, "--hyperparameters", "n=1", "--output", out))
    assert done.returncode == 0, done.stderr
    assert "n is 1 ['a.csv']" in done.stdout
    assert " Training\n" in done.stderr
    assert " Completed\n" in done.stderr
    assert (home.folder / "out/model.tar.gz").stat().st_size
    assert home.run("status").returncode == 3
    # The daemon that has ended leaves its jobs' records, and the next run goes on with them.
    assert home.run("ps", "--all").stdout.count("Completed") == 1


def test_runs_on_a_daemon_that_is_there(home: Daemon) -> None:
    assert home.up().returncode == 0
    try:
        raw, clean = f"raw={home.folder}/data", f"clean={home.folder}/clean"
        done = home.run(*words(home, "process", "--input", raw, "--output", clean, "--arguments", "2"))
        assert done.returncode == 0, done.stderr
        assert (home.folder / "clean/a.csv").read_text() == "1 2"

        handler, model = str(home.folder / "handler"), str(home.folder / "model")
        out, data = str(home.folder / "predicted"), str(home.folder / "data")
        flags = ("--model", model, "--input", data, "--output", out, "--join", "--json")
        done = home.run(*words(home, "transform", handler, *flags))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["TransformJobStatus"] == "Completed"
        assert (home.folder / "predicted/a.csv.out").read_text().split() == ["1,2.0", "2,4.0", "3,6.0"]
        wrong = home.run("run", "train", str(home.folder / "project"), "--engine", "docker")
        assert (wrong.returncode, "--engine: found docker; expected process" in wrong.stderr) == (70, True)
        assert home.run("status").returncode == 0
    finally:
        home.run("down")


def test_a_failure_is_the_programs_own(home: Daemon) -> None:
    data = f"train={home.folder}/data"
    done = home.run(*words(home, "train", "--input", data, "--hyperparameters", "n=0"))
    assert done.returncode == 3
    assert "exit code: 3" in done.stderr
    none = home.run(*words(home, "train", "--input", "train=/none"))
    assert (none.returncode, "--input train: found '/none'" in none.stderr) == (78, True)
    assert "Traceback" not in done.stderr + none.stderr


def test_control_c_stops_the_job_and_a_terminal_shows_how_far_it_is(home: Daemon) -> None:
    """On a terminal the status is one line, drawn again; the program has time to save."""
    pid_file = home.folder / "pid"
    flags = ("--input", f"train={home.folder}/data", "--hyperparameters", "n=1")
    argv = [*MLBERTH, *words(home, "train", *flags, "--environment", f"PID_FILE={pid_file}")]
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, env=home.environ, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        with Terminal(ours) as terminal:
            wait_until(lambda: b"Training  " in terminal.shown)
            run.send_signal(signal.SIGINT)
            assert "saved" in run.communicate(timeout=within(60))[0].decode()
    assert run.returncode == 130
    assert not is_alive(int(pid_file.read_text()))
    assert home.run("status").returncode == 3


def test_a_killed_run_leaves_no_daemon_when_its_job_has_ended(home: Daemon) -> None:
    pid_file = home.folder / "pid"
    flags = ("--input", f"train={home.folder}/data", "--hyperparameters", "n=1", "--name", "left")
    argv = [*MLBERTH, *words(home, "train", *flags, "--environment", f"PID_FILE={pid_file}")]
    with subprocess.Popen(
        argv, env=home.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        run.kill()
    assert home.run("status").returncode == 0
    assert home.run("stop", "left").returncode == 0
    wait_until(lambda: home.run("status").returncode == 3)
