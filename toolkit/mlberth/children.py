"""Child processes: started in a group of their own, bound to our life, and reaped without loss."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mlberth.linux import die_with_parent


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    death_signal: int = signal.SIGKILL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a new process group that gets `death_signal` when we die.

    Its standard input is empty unless given; None is ours. Raises OSError where it cannot be started.
    """
    parent = os.getpid()

    def prepare() -> None:
        os.setpgid(0, 0)
        die_with_parent(death_signal)
        if os.getppid() != parent:  # we died before the kernel knew whom to tell
            os._exit(128 + death_signal)

    return subprocess.Popen(
        argv,
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
        preexec_fn=prepare,  # noqa: PLW1509 - no thread of ours runs yet when children are started
    )


def signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a child's whole process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def group_lives(child: subprocess.Popen[bytes]) -> bool:
    """Tell whether anything is left in a child's process group; zombies count until they are reaped."""
    try:
        os.killpg(child.pid, 0)
    except ProcessLookupError:
        return False
    return True


def reap(own: Iterable[subprocess.Popen[bytes]]) -> None:
    """Collect every child that has died: our own by their Popen, adopted orphans here.

    waitid only looks (WNOWAIT). A plain waitpid(-1) would take our own children's exit codes away,
    and Popen would then report 0 for a program that exited 3.
    """
    popen = {child.pid: child for child in own}
    with contextlib.suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in popen:
                popen[dead.si_pid].poll()
            else:
                os.waitpid(dead.si_pid, os.WNOHANG)


def exit_code(returncode: int) -> int:
    """Return the shell's exit code for a Popen return code: 128 + n for signal n."""
    return 128 - returncode if returncode < 0 else returncode
