"""A log that cannot be written costs the log alone: whole jobs, whose output goes nowhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.toolkit.test_log_outlet import fill
from tests.train.running import BIN, Tree

from mlberth.process.output_pump import OutputPump
from mlberth_train.log import INFO, Log

PROGRAM = """
import os, sys
for descriptor in (1, 2):
    try:
        os.write(descriptor, "é\\x1b".encode() * 1000)
    except OSError:
        pass  # its own affair
open(os.environ["SEEN"], "w").close()
os._exit(int(os.environ["CODE"]))
"""
REDIRECTIONS = [
    ">/dev/full 2>/dev/full",
    "<&- >&- 2>&-",
    ">&-",
    "2>&-",
    "> >(exit 0) 2> >(exit 0)",
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("how", REDIRECTIONS)
@pytest.mark.parametrize("code", ["0", "3"])
def test_job_does_not_pay_for_the_log(tmp_path: Path, how: str, form: str, code: str) -> None:
    """The program runs to its end, the exit code is its own, and a failure is reported."""
    tree = Tree(tmp_path).code(train__py=PROGRAM)
    done = redirected(tree, "train", how, form, CODE=code)
    assert (done, (tmp_path / "seen").exists()) == (int(code), True)
    assert bool(tree.failure) == (code == "3")


@pytest.mark.parametrize("how", REDIRECTIONS)
def test_processing_does_not_pay_for_the_log(tmp_path: Path, how: str) -> None:
    """So it is for a processing job."""
    code = tmp_path / "processing/input/code"
    code.mkdir(parents=True)
    (code / "program.py").write_text(PROGRAM)
    program = "process program.py"
    assert redirected(Tree(tmp_path), program, how, "json", CODE="3") == 3
    assert (tmp_path / "seen").exists()


@pytest.mark.parametrize("how", REDIRECTIONS)
def test_wrong_job_has_its_exit_code(tmp_path: Path, how: str) -> None:
    """An error of the contract ends with its own code, though nobody can read of it."""
    assert redirected(Tree(tmp_path), "train", how, "text") == 78
    assert redirected(Tree(tmp_path), "train nonsense", how, "text") == 2
    assert redirected(Tree(tmp_path), "mlberth nonsense", how, "text") == 2


def redirected(tree: Tree, command: str, how: str, form: str, **environ: str) -> int:
    """Run a command with its output redirected; returns its exit code."""
    fixed = {"SAGEMAKER_BASE_DIR": str(tree.base), "SAGEMAKER_LOG_FORMAT": form, "SEEN": f"{tree.base}/seen"}
    argv = ["bash", "-c", f"exec {BIN}/{command} {how}"]
    return subprocess.run(argv, env={**os.environ, **fixed, **environ}, check=False, timeout=60).returncode


def test_line_that_was_lost_is_told_of(tmp_path: Path) -> None:
    """A journal waits for a reader once, and says later how many lines are missing."""
    reader, writer = os.pipe()
    log = Log(sink=writer)
    fill(writer)
    for _ in range(3):
        log.write(INFO, "lost")
    os.read(reader, 1 << 20)
    log.write(INFO, "last")
    first, second = os.read(reader, 1 << 20).decode().splitlines()
    assert first.endswith("WARNING mlberth_train: 3 lines before this one were dropped: nobody read them")
    assert second.endswith("INFO mlberth_train: last")


def test_output_waits_for_its_reader() -> None:
    """Nothing is dropped where a reader is slow, even if the pipe is one that does not wait."""
    (reader, writer), (source, said) = os.pipe(), os.pipe()
    fill(writer)
    os.set_blocking(writer, False)
    pump = OutputPump(source, writer)
    os.write(said, b"said")
    os.close(said)
    os.read(reader, 1 << 20)
    assert pump.finish(10) == b"said"
    assert os.read(reader, 1 << 20) == b"said"
    assert pump.lost == 0


def test_output_that_is_lost_is_counted() -> None:
    """On a full disk the program goes on, and what is missing is known."""
    source, said = os.pipe()
    full = os.open("/dev/full", os.O_WRONLY)
    pump = OutputPump(source, full)
    os.write(said, b"said")
    os.close(said)
    assert pump.finish(10) == b"said"
    assert pump.lost == 4
