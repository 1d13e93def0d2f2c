"""The other hosts of a job, waited for until they have an address."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import wait_until
from tests.train.running import BIN, Tree, ended

from mlberth.errors import PlatformError
from mlberth.process.signals import SignalQueue
from mlberth_train.launch.host_discovery import wait_for_names
from mlberth_train.log import Log

# No network is asked for a name with a part of more than 63 letters.
NOWHERE = "nowhere-" * 8
HOSTS = {"current_host": "localhost", "hosts": ["localhost", NOWHERE]}


@pytest.fixture
def signals() -> Iterator[SignalQueue]:
    """Return a queue that collects signals of this process."""
    with SignalQueue() as queue:
        yield queue


@pytest.fixture
def printed(tmp_path: Path) -> Path:
    """Return a file that a log writes to."""
    path = tmp_path / "log"
    path.touch()
    return path


def test_hosts_that_come_late_are_waited_for(signals: SignalQueue, printed: Path) -> None:
    """Only those without an address are asked for again, and the log says whom the job waits for."""
    asked: list[str] = []

    def is_known(name: str) -> bool:
        asked.append(name)
        return name == "a" or asked.count(name) == 3

    with printed.open("wb") as file:
        log = Log(sink=file.fileno())
        assert wait_for_names(["a", "b"], 60, signals=signals, log=log, is_known=is_known) is None
    assert asked == ["a", "b", "b", "b"]
    first, last = printed.read_text().splitlines()
    assert first.endswith("Waiting at most 60 s for an address of b")
    assert "All hosts have an address after " in last


def test_hosts_that_are_there_are_not_spoken_of(signals: SignalQueue, printed: Path) -> None:
    """The system's own resolver is asked, and a job that need not wait says nothing."""
    with printed.open("wb") as file:
        names, log = ["localhost", "127.0.0.1"], Log(sink=file.fileno())
        assert wait_for_names(names, 60, signals=signals, log=log) is None
    assert printed.read_text() == ""


def test_host_that_never_comes_is_named(signals: SignalQueue, printed: Path) -> None:
    """After the limit the error names the hosts that are missing, also where the resolver hangs."""
    reader, writer = os.pipe()
    with (
        printed.open("wb") as file,
        pytest.raises(PlatformError, match=r"b without an address after 0\.3 s"),
    ):
        wait_for_names(
            ["a", "b"],
            0.3,
            signals=signals,
            log=Log(sink=file.fileno()),
            is_known=lambda name: name == "a" or bool(os.read(reader, 1)),
        )
    os.close(writer)


def test_stop_ends_the_wait(signals: SignalQueue, printed: Path) -> None:
    """A stop is seen at once, and returned."""

    def is_known(name: str) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    with printed.open("wb") as file:
        log = Log(sink=file.fileno())
        stop = wait_for_names(["a"], 60, signals=signals, log=log, is_known=is_known)
    assert stop == signal.SIGTERM


def test_job_without_its_hosts_fails_before_its_program(tree: Tree) -> None:
    """The machine's fault is reported, with the setting that changes the limit."""
    tree.code(train__py="print('ran')").config(resourceconfig=HOSTS)
    run = tree.train(SAGEMAKER_HOST_WAIT_SECONDS="0.2")
    assert (run.code, run.out) == (70, "")
    assert tree.failure.startswith(f"PlatformError: resourceconfig.json, hosts: found {NOWHERE} without")
    assert "SAGEMAKER_HOST_WAIT_SECONDS (0 does not wait)" in tree.failure


@pytest.mark.parametrize(
    "environ", [{"SAGEMAKER_HOST_WAIT_SECONDS": "0"}, {"SM_STUDIO_LOCAL_MODE": "true"}], ids=["0", "studio"]
)
def test_wait_can_be_left_out(tree: Tree, environ: dict[str, str]) -> None:
    """Where no name is needed, nothing is waited for."""
    tree.code(train__py="print('ran')").config(resourceconfig=HOSTS)
    assert tree.train(**{"SAGEMAKER_HOST_WAIT_SECONDS": "60", **environ}).out == "ran\n"


def test_stop_while_waiting_ends_the_job(tree: Tree) -> None:
    """SIGTERM in the wait is 143, and the program never runs."""
    tree.code(train__py="print('ran')").config(resourceconfig=HOSTS)
    said = tree.base / "said"
    with said.open("wb") as sink:
        command = tree.start([BIN / "train"], sink.fileno(), SAGEMAKER_HOST_WAIT_SECONDS="60")
        wait_until(lambda: b"Waiting at most 60 s" in said.read_bytes(), timeout=30)
        command.send_signal(signal.SIGTERM)
        run = ended(command)
    assert (run.code, run.out) == (143, "")
    assert tree.failure.startswith("Stopped by SIGTERM before the program began")
