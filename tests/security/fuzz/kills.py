"""Work that is killed at one of its system calls, by ptrace(2): no moment is beyond it."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_TRACEME, _SYSCALL, _SETOPTIONS = 0, 24, 0x4200
_SYSGOOD, _EXITKILL = 1, 0x100000
_libc = ctypes.CDLL(None, use_errno=True)


class NotAllowedError(Exception):
    """This machine lets no process trace another."""


def kill_at(stop: int | None, work: Callable[[], object]) -> int:
    """Run `work` in a forked process, which is killed at a stop; returns how many stops it came to.

    There is a stop before each system call and one behind it. Without a stop the work runs to its end.
    """
    pid = os.fork()
    if pid == 0:
        _run(work)
    os.waitpid(pid, 0)
    if _ptrace(_SETOPTIONS, pid, _SYSGOOD | _EXITKILL):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise NotAllowedError
    count, number = 0, 0
    while count != stop:
        _ptrace(_SYSCALL, pid, number)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            assert os.WIFEXITED(status)
            assert os.WEXITSTATUS(status) == 0
            return count
        number = os.WSTOPSIG(status)
        if number == signal.SIGTRAP | 0x80:
            count, number = count + 1, 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return count


def _run(work: Callable[[], object]) -> None:
    """Be traced, and work."""
    code = 1
    try:
        _ptrace(_TRACEME, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        work()
        code = 0
    finally:
        os._exit(code)


def _ptrace(request: int, pid: int, data: int) -> int:
    result: int = _libc.ptrace(request, pid, ctypes.c_void_p(0), ctypes.c_void_p(data))
    return result
