"""The fork server: has imported a framework and our code, nothing of the user's, and forks models' processes.

It runs below the model manager, one for each framework that models need, and has a single thread. A child is
the manager's own: it becomes what `gunicorn_app.main` is in a process of its own, but has nothing to import.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from mlberth.process.kernel import die_with_parent
from mlberth_serve.shared.fork_request import READY, ForkRequest
from mlberth_serve.worker.preload import why_not_fork
from mlberth_serve.worker.rehearsal import rehearse

_OURS = (
    "flask",
    "orjson",
    "mlberth_serve.app.application",
    "mlberth_serve.app.factory",
    "mlberth_serve.worker.gunicorn_app",
    "mlberth_serve.worker.worker",
    "mlberth_serve.worker.gunicorn_logger",
)
"""What each model's processes would import otherwise."""
_MAX_MESSAGE = 4096
_MAX_DESCRIPTORS = 8
_ADOPTION_SECONDS = 5.0
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_MODELS_SCORE = "300"
"""If memory runs out, the kernel is to take a model's process before one that all models need."""


def main(argv: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Import what is named after the descriptor of the manager's socket, and fork until that is closed.

    Returns the exit code; a child ends with that of its gunicorn.
    """
    control = socket.socket(fileno=int(argv[0]))
    for name in (*_OURS, *argv[1:]):
        with contextlib.suppress(Exception):  # a model that needs it will say what is wrong with it
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        rehearse(argv, environ)
    gc.collect()
    gc.freeze()
    control.send((why_not_fork() or READY).encode())
    forked = _fork_children(control)
    if forked is not None:
        _become(*forked, environ)
        _run_gunicorn(forked.request.folder, environ)
    return 0


def _run_gunicorn(folder: str, environ: Mapping[str, str]) -> NoReturn:
    """Serve, and end without the interpreter's last steps, which would write to all memory that is shared."""
    from mlberth_serve.worker.arbiter import end_process
    from mlberth_serve.worker.gunicorn_app import main as run

    try:
        code = run([folder], environ)
    except BaseException as error:  # noqa: BLE001 - gunicorn's own exit, for one
        end_process(error)
    end_process(SystemExit(code))


class _Forked(NamedTuple):
    request: ForkRequest
    descriptors: Sequence[int]


def _fork_children(control: socket.socket) -> _Forked | None:
    """Serve the manager's requests; returns None when it has gone, and in each child its request."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _MAX_MESSAGE, _MAX_DESCRIPTORS)
        if not message:
            return None
        path = Path(os.fsdecode(message))
        try:
            request = ForkRequest.read(path)
            pid = _fork_twice()
        except OSError as error:
            answer = {"errno": error.errno or 0}
        else:
            if pid == 0:
                control.close()
                return _Forked(request, descriptors)
            answer = {"pid": pid}
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(json.dumps(answer).encode())


def _fork_twice() -> int:
    """Return the id of a grandchild, which is the manager's child by now: the process between has ended.

    In the grandchild it returns 0. Raises OSError if no process can be made.
    """
    readable, writable = os.pipe2(os.O_CLOEXEC)
    between = os.fork()
    if between == 0:
        number = 0
        try:
            pid = os.fork()
            if pid == 0:
                os.close(readable)
                os.close(writable)
                return 0
        except OSError as error:
            pid, number = -(error.errno or 1), 1
        os.write(writable, str(pid).encode())
        os._exit(number)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        found = int(pipe.read() or b"-1")
    os.waitpid(between, 0)
    if found < 0:
        raise OSError(-found, os.strerror(-found))
    return found


def _become(request: ForkRequest, descriptors: Sequence[int], environ: MutableMapping[str, str]) -> None:
    """Make this process what a new one of that command would be."""
    os.setpgid(0, 0)
    deadline = time.monotonic() + _ADOPTION_SECONDS
    while os.getppid() != request.parent and time.monotonic() < deadline:
        time.sleep(0.001)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != request.parent:  # the manager ended before we asked to be told
        os._exit(128 + signal.SIGKILL)
    _place(descriptors, request.numbers)
    replace_environ(environ, request.environ)
    with contextlib.suppress(OSError):  # its load will say that the folder is gone
        os.chdir(request.cwd)
    with contextlib.suppress(OSError):
        _OOM_SCORE.write_text(_MODELS_SCORE)
    if numbers := sys.modules.get("numpy.random"):  # else all models would draw the same; `random` sees to it
        numbers.seed()
    sys.argv, sys.orig_argv = ["-c", request.folder], list(request.argv)


def replace_environ(environ: MutableMapping[str, str], wanted: Mapping[str, str]) -> None:
    """Make an environment another; what is the same stays, as what is written is no longer shared memory."""
    for name in environ.keys() - wanted.keys():
        del environ[name]
    for name, text in wanted.items():
        if environ.get(name) != text:
            environ[name] = text


def _place(descriptors: Iterable[int], numbers: Sequence[int]) -> None:
    """Give descriptors these numbers, and let programs that are started inherit them."""
    import fcntl

    above = max((2, *numbers)) + 1
    staged = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(staged, numbers, strict=True):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)
