"""Any program under the duties of PID 1: signals passed on, orphans reaped, the exit code kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence

from mlberth.errors import Fault, MlberthError
from mlberth.process.children import Child, exit_code, pass_on, reap, signal_group, start, witness_for
from mlberth.process.descendants import end_descendants
from mlberth.process.kernel import adopt_orphans
from mlberth.process.scripts import runnable
from mlberth.process.signals import SignalQueue

# The shell's exit codes, which `docker run` uses too.
_CANNOT_RUN = 126
_NOT_FOUND = 127
_STDIN = 0


class CommandError(MlberthError):
    """A program that cannot be started, with the exit code that a shell would give."""

    def __init__(self, fault: Fault, code: int) -> None:
        super().__init__(fault)
        self.exit_code = code


def find(name: str, path: Sequence[str]) -> str | None:
    """Return the file that a shell would run for a name, None if there is none."""
    candidates = [name] if "/" in name else [os.path.join(folder, name) for folder in path]  # noqa: PTH118
    return next((file for file in candidates if os.path.isfile(file) and os.access(file, os.X_OK)), None)  # noqa: PTH113


def run_program(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program with our own standard streams to its end, and return its exit code.

    Raises CommandError if it cannot be started.
    """
    adopt_orphans()
    # Before the program: no signal is lost while it starts.
    with SignalQueue() as signals, witness_for(env) as witness:
        child = _start(argv, env)
        _give_terminal(child)
        while child.returncode is None:
            for number in signals.wait():
                if number != signal.SIGCHLD:  # that is ours: children are reaped below, adopted ones too
                    pass_on(child, number, witness)
            reap([child])
        end_descendants([child], signals, spared={witness.pid} if witness else ())
    return exit_code(child.returncode)


def _start(argv: Sequence[str], env: Mapping[str, str]) -> Child:
    file = find(argv[0], os.get_exec_path(env))
    words = runnable(file) if file else None
    try:
        return start([*words, *argv[1:]] if words else argv, env=env, stdin=True)
    except FileNotFoundError as error:
        found = f"no such command: {argv[0]!r}"
        expected = "train, serve, process, or a program on PATH"
        raise CommandError(Fault("mlberth run", found, expected), _NOT_FOUND) from error
    except OSError as error:
        found = f"the command {argv[0]!r}, which cannot be run ({error.strerror})"
        raise CommandError(Fault("mlberth run", found, "an executable file"), _CANNOT_RUN) from error


def _give_terminal(child: Child) -> None:
    """Put the program in the foreground of our terminal, if we have one, so that a shell works there."""
    if os.isatty(_STDIN):
        os.tcsetpgrp(_STDIN, child.pid)
        # It may have been stopped for reading before the terminal was its own.
        signal_group(child, signal.SIGCONT)
