"""Child processes: started in a group of their own, bound to our life, and reaped without loss.

Not with `subprocess`, whose imports take as long as all else that stands between a job and its program.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, OnDemand, typing
from mlberth.process.kernel import die_with_parent

if TYPE_CHECKING:
    from mlberth.process import witness as witnesses
else:
    witnesses = OnDemand("mlberth.process.witness")

_FIRST_PROCESS = 1
_LARGEST_ERROR = 4096  # what a pipe takes in one write (PIPE_BUF)
# The interpreter ignores these for itself; a program expects what the system does.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)

_SIGNALS_ALL = ("SLURM_JOB_ID",)
"""A variable of each engine that may signal every process of a job, and not the first alone."""


class Child:
    """A process that we have started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | typing.Any = None
        """None until the end is known; negative for a signal."""

    def poll(self) -> int | None:
        """Collect the process if it has ended, and return its code."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone, if its end is not known."""
        if self.poll() is None:
            os.kill(self.pid, number)


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bool = False,
    stdout: int | None = None,
    stderr: int | None = None,
    death_signal: int = signal.SIGKILL,
    pass_fds: Sequence[int] = (),
    blocked: Collection[int] = (),
) -> Child:
    """Start a program in a new process group that gets `death_signal` when we die.

    It has our standard streams, but an empty standard input unless `stdin` says otherwise, and the
    descriptors `stdout` and `stderr` if there are any. The signals `blocked` do not reach it until it says
    so. Raises OSError if it cannot be started, and
    ValueError for text that no process can be given. No thread of ours may run but those that only read
    and write.
    """
    parent = os.getpid()
    readable, writable = os.pipe2(os.O_CLOEXEC)  # closed by an exec that succeeds
    try:
        pid = os.fork()
    except OSError:
        os.close(readable)
        os.close(writable)
        raise
    if pid == 0:
        try:
            _leave_group(parent, death_signal)
            _take_streams(stdin, {1: stdout, 2: stderr}, pass_fds)
            signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
            if cwd:
                os.chdir(cwd)
            os.execvpe(argv[0], [*argv], env)  # noqa: S606 - never a shell
        except BaseException as error:  # noqa: BLE001 - whatever it is, only the parent can say so
            code = error.errno if isinstance(error, OSError) and error.errno else 0
            os.write(writable, f"{code} {error}".encode(errors="replace")[:_LARGEST_ERROR])
        finally:
            os._exit(255)
    os.close(writable)
    problem = os.read(readable, _LARGEST_ERROR).decode(errors="replace")
    os.close(readable)
    if problem:
        os.waitpid(pid, 0)  # it ends by itself, and nobody else will collect it
        _refuse(problem, argv[0])
    return Child(pid)


def _leave_group(parent: int, death_signal: int) -> None:
    """Begin a group, with the signals as a program expects them, that ends with its parent."""
    os.setpgid(0, 0)  # here and not in the parent, so that it is done before the program begins
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    # With the first process of a container, the kernel ends all others.
    if parent != _FIRST_PROCESS:
        die_with_parent(death_signal)
        if os.getppid() != parent:  # we died before the kernel had our request
            os._exit(128 + death_signal)


def _take_streams(stdin: bool, streams: Mapping[int, int | None], pass_fds: Sequence[int]) -> None:
    """Let the program have its standard streams and `pass_fds`, and no other descriptor."""
    if not stdin:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, descriptor in streams.items():
        if descriptor is not None:
            os.dup2(descriptor, number)
    kept = {0, 1, 2, *pass_fds}
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - names alone
        try:
            os.set_inheritable(descriptor, descriptor in kept)
        except OSError:
            continue  # the one that has listed the others


def _refuse(problem: str, program: str) -> typing.NoReturn:
    number, _, text = problem.partition(" ")
    if number == "0":
        raise ValueError(text)
    raise OSError(int(number), os.strerror(int(number)), program)


def signal_group(child: Child, number: int) -> None:
    """Send a signal to a child's whole process group, if it is still there."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def witness_for(environ: Mapping[str, str]) -> AbstractContextManager[witnesses.Witness | None]:
    """Return the witness of what we are to start; None unless the engine may signal every process itself."""
    if not any(environ.get(name) for name in _SIGNALS_ALL):
        return nullcontext()
    return witnesses.Witness()  # few need it, and it is a process


def pass_on(child: Child, number: int, witness: witnesses.Witness | None) -> None:
    """Send a signal that has reached us to a child's group, unless it has reached everybody below us too."""
    if not (witness and witness.saw(number)):
        signal_group(child, number)  # the whole group, as a terminal does: a shell passes nothing on


def group_lives(child: Child) -> bool:
    """Return whether anything is left in a child's process group; zombies count until they are reaped."""
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True


def reap(own: Iterable[Child]) -> None:
    """Collect every child that has died: our own by their Child, adopted orphans here.

    waitid only looks (WNOWAIT). A plain waitpid(-1) would take our own children's exit codes away.
    """
    # Of two with one pid, the one whose end is not known: the pid of the other is in use again.
    children = {child.pid: child for child in own if child.returncode is None}
    try:
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            child = children.get(dead.si_pid)
            if child and child.returncode is None:
                child.poll()
            else:
                # Where a Child's end is known already, another process has got its pid since.
                os.waitpid(dead.si_pid, os.WNOHANG)
    except ChildProcessError:
        return


def exit_code(returncode: int) -> int:
    """Return the shell's exit code for a return code: 128 + n for signal n."""
    return 128 - returncode if returncode < 0 else returncode
