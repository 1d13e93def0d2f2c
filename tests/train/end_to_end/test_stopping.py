"""Stops: every signal reaches the program, and nothing outlives the job."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until
from tests.train.running import BIN, Ended, Tree, ended

from mlberth.process.signals import ONE_PRESS_SECONDS

WAIT = "import pathlib, signal, sys, os\n{}\npathlib.Path('ready').touch()\nwhile True: signal.pause()"


def stop(tree: Tree, number: signal.Signals = signal.SIGTERM, **environ: str) -> Ended:
    """Start `train`, send it a signal when its program is ready, and wait for the end."""
    command: subprocess.Popen[str] = tree.start([BIN / "train"], **environ)
    wait_until((tree.layout.code / "ready").exists)
    command.send_signal(number)
    return ended(command)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_program_that_saves_and_exits_0_is_a_success(tree: Tree, number: signal.Signals) -> None:
    """A program that handles the stop ends the job well."""
    handler = (
        "def save(number, frame):\n"
        "    pathlib.Path(os.environ['SM_MODEL_DIR'], 'saved').touch()\n"
        "    sys.exit(0)\n"
        f"signal.signal({number}, save)"
    )
    tree.code(train__py=WAIT.format(handler))
    assert stop(tree, number).code == 0
    assert (tree.layout.model / "saved").exists()
    assert (tree.layout.success.exists(), tree.layout.failure.exists()) == (True, False)


def test_program_without_a_handler_ends_with_143(tree: Tree) -> None:
    """A program that SIGTERM ends gives 143, and the report names the signal."""
    tree.code(train__py=WAIT.format(""))
    assert stop(tree).code == 143
    assert tree.failure.startswith("Stopped by SIGTERM\nExit code 143 after SIGTERM on ")


def test_program_below_a_shell_script_has_the_whole_grace(tree: Tree) -> None:
    """The stop ends a shell at once; the program that it runs gets the signal too, and the time to save."""
    save = "(time.sleep(2.5), pathlib.Path('saved').touch(), sys.exit(0))"
    handler = f"import time\nsignal.signal(15, lambda *_: {save})"
    tree.code(work__py=WAIT.format(handler), run__sh="python3 work.py; exit 7\n")
    assert stop(tree, SAGEMAKER_PROGRAM="run.sh").code == 143
    assert (tree.layout.code / "saved").exists()


def test_program_that_ignores_the_stop_is_killed_after_the_grace(tree: Tree) -> None:
    """After SAGEMAKER_STOP_GRACE_SECONDS everything is killed, and the report says why."""
    tree.code(train__py=WAIT.format("signal.signal(15, signal.SIG_IGN)"))
    assert stop(tree, SAGEMAKER_STOP_GRACE_SECONDS="0.3").code == 137
    headline = "Killed: still running 0.3 s after SIGTERM (SAGEMAKER_STOP_GRACE_SECONDS)"
    assert tree.failure.startswith(f"{headline}\nExit code 137 after SIGTERM")


def test_exception_in_the_handler_is_reported(tree: Tree) -> None:
    """A save that fails is a failure with its own reason."""
    handler = "def save(number, frame): raise OSError('disk full')\nsignal.signal(15, save)"
    tree.code(train__py=WAIT.format(handler))
    assert stop(tree).code == 1
    assert tree.failure.startswith("OSError: disk full\n  at train.py:2 in save")
    assert "Exit code 1 after SIGTERM" in tree.failure


def test_nothing_is_left_behind(tree: Tree) -> None:
    """Processes that left the program's group are ended with the job."""
    program = (
        "import os, pathlib, time\n"
        "if os.fork() == 0:\n    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "        time.sleep(1000)\n"
        "    os._exit(0)\n"
        "while not (pathlib.Path('pid').exists() and pathlib.Path('pid').read_text()): time.sleep(0.01)\n"
    )
    assert tree.code(train__py=program).train().code == 0
    assert not is_alive(int((tree.layout.code / "pid").read_text()))


def test_stop_during_an_install_ends_the_job(tree: Tree, tmp_path: Path) -> None:
    """A stop while dependencies are installed ends pip, runs no program and gives 143."""
    backend = (
        "import pathlib, signal\ndef get_requires_for_build_wheel(settings=None):\n"
        f"    pathlib.Path({str(tree.layout.code / 'ready')!r}).touch()\n    while True: signal.pause()\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    tree.code(train__py="open('ran', 'w')", backend__py=backend, pyproject__toml=project)
    assert stop(tree, PIP_NO_INDEX="1").code == 143
    assert tree.failure.startswith("Stopped by SIGTERM before the program began")
    assert not (tree.layout.code / "ran").exists()


def test_a_second_ctrl_c_kills(tree: Tree) -> None:
    """The first says how long the program has, and how it ends sooner; the second ends it."""
    tree.code(train__py=WAIT.format("signal.signal(2, signal.SIG_IGN)"))
    command: subprocess.Popen[str] = tree.start([BIN / "train"])
    wait_until((tree.layout.code / "ready").exists)
    said = b""
    command.send_signal(signal.SIGINT)
    assert command.stderr
    while b"second Ctrl-C" not in said:
        said += os.read(command.stderr.fileno(), 4096)
    assert b"SIGINT is passed on to the program, which is killed if it still runs in 110 s" in said
    # One that comes at once with another is the same key: a terminal and a wrapper have both sent it.
    seen = time.monotonic()
    wait_until(lambda: time.monotonic() - seen > 2 * ONE_PRESS_SECONDS)
    command.send_signal(signal.SIGINT)
    assert ended(command).code == 137
    assert tree.failure.startswith("Killed: a second Ctrl-C\nExit code 137 after SIGINT on ")


def test_two_interrupts_at_once_are_one(tree: Tree) -> None:
    """A program that saves at Ctrl-C keeps its time, even if it is interrupted twice in one moment."""
    handler = (
        "def save(number, frame):\n"
        "    signal.signal(2, signal.SIG_IGN)\n"
        "    pathlib.Path(os.environ['SM_MODEL_DIR'], 'saved').touch()\n"
        "    sys.exit(0)\n"
        "signal.signal(2, save)"
    )
    tree.code(train__py=WAIT.format(handler))
    command: subprocess.Popen[str] = tree.start([BIN / "train"])
    wait_until((tree.layout.code / "ready").exists)
    command.send_signal(signal.SIGINT)
    command.send_signal(signal.SIGINT)
    assert ended(command).code == 0
