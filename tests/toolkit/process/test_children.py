"""Child processes, started by a fork and an exec of our own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support import wait_until

from mlberth.process.children import Child, reap, start

ENV = {"PATH": os.environ["PATH"]}


def said(script: str, *, pass_fds: Sequence[int] = (), env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a Python script as a child; return its code and what it wrote to standard output."""
    reader, writer = os.pipe()
    child = start([sys.executable, "-c", script], env=env or ENV, stdout=writer, pass_fds=pass_fds)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    return code_of(child), text


def code_of(child: Child) -> int:
    """Wait for a child's end, and return its code."""
    wait_until(lambda: child.poll() is not None, timeout=30)
    assert isinstance(child.returncode, int)
    return child.returncode


def test_child_leads_a_group_and_reads_nothing() -> None:
    """It has a process group of its own and an empty standard input."""
    script = "import os, sys; print(os.getpgid(0) == os.getpid(), repr(sys.stdin.read()))"
    assert said(script) == (0, "True ''\n")


def test_child_has_no_descriptor_but_its_own() -> None:
    """What was open here, even for children, is closed there, unless it is passed on."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        script = "import os; print(*sorted(map(int, os.listdir('/proc/self/fd'))))"
        _, alone = said(script)
        _, passed = said(script, pass_fds=[writer])
    finally:
        os.close(reader)
        os.close(writer)
    # The last is that of the listing itself.
    assert alone.split()[:3] == ["0", "1", "2"]
    assert len(alone.split()) == 4
    assert str(writer) in passed.split()


def test_child_has_the_signals_of_the_system() -> None:
    """What the interpreter ignores for itself, a program does not inherit."""
    script = "grep SigIgn /proc/self/status"
    reader, writer = os.pipe()
    child = start(["sh", "-c", script], env=ENV, stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as file:
        ignored = int(file.read().split()[1], 16)
    assert code_of(child) == 0
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


def test_end_is_told_as_it_was() -> None:
    """An exit code is positive, a signal negative, and a signal to who has ended is no error."""
    assert said("raise SystemExit(3)")[0] == 3
    child = start(["sleep", "1000"], env=ENV)
    child.send_signal(signal.SIGKILL)
    assert code_of(child) == -signal.SIGKILL
    child.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("program", "error"),
    [("no-such-program", FileNotFoundError), ("/etc/passwd", PermissionError), ("/", PermissionError)],
)
def test_what_cannot_be_started_is_an_error_here(program: str, error: type[OSError]) -> None:
    """The child's reason arrives with its number and the program's name."""
    with pytest.raises(error) as caught:
        start([program], env=ENV)
    assert caught.value.filename == program


def test_folder_that_is_not_there_is_an_error_here(tmp_path: Path) -> None:
    """A working folder that cannot be entered is told in the same way."""
    with pytest.raises(FileNotFoundError):
        start(["true"], env=ENV, cwd=tmp_path / "gone")


@pytest.mark.parametrize("env", [{"X": "a\0b"}, {"X": "\ud800"}], ids=["NUL", "surrogate"])
def test_text_that_no_process_can_have_is_an_error_here(env: dict[str, str]) -> None:
    """It is a ValueError, as it is of the standard library."""
    with pytest.raises(ValueError, match=r"null|surrogate"):
        start(["true"], env={**ENV, **env})


def test_program_too_large_is_an_error_here() -> None:
    """The system's own limit has its own number."""
    with pytest.raises(OSError, match="too long"):
        start(["true", "x" * (1 << 22)], env=ENV)


def test_program_is_looked_for_on_the_path_that_it_gets(tmp_path: Path) -> None:
    """PATH of the child's environment counts."""
    (tmp_path / "tool").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "tool").chmod(0o755)
    assert code_of(start(["tool"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})) == 7


@pytest.mark.parametrize("both", [True, False])
def test_reused_pid_is_reaped(both: bool) -> None:
    """A process with the pid of a child whose end is known is collected, and each has its own code."""
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    before, now = Child(pid), Child(pid)
    before.returncode = 0
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    # Where it never returned, the alarm would end the tests.
    signal.alarm(20)
    try:
        reap([now, before] if both else [before])
    finally:
        signal.alarm(0)
    assert (before.returncode, now.returncode) == (0, 3 if both else None)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
