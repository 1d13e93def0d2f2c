"""The shim: one process for each host of the process engine, which outlives the daemon.

It starts the program, appends its output to the log, passes SIGTERM on and writes down how it has ended.
SIGUSR1 kills the program and all that it has started. Its lock tells whether it lives.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

from mlberth._typing import typing
from mlberth.process.children import Child, exit_code, reap, signal_group, start
from mlberth.process.descendants import end_descendants
from mlberth.process.kernel import adopt_orphans
from mlberth.process.signals import SignalQueue
from mlberth_local.engines import namespaces
from mlberth_local.log_files import LogWriter

SPEC, STARTED, EXIT = "spec.json", "started.json", "exit.json"
KILL = signal.SIGUSR1
_NOT_FOUND, _CANNOT_RUN = 127, 126
_CHUNK = 65536
_FLUSH_SECONDS = 5.0
"""For the output that is still in the pipe, after all its writers were killed."""


def main(folder: Path) -> None:
    """Run what the spec in a folder says, and leave how it ended there."""
    spec = json.loads((folder / SPEC).read_text())
    adopt_orphans()
    with SignalQueue((signal.SIGTERM, KILL)) as signals:
        write(folder / STARTED, {"pid": os.getpid(), "time": time.time()})
        log = LogWriter(Path(spec["log"]))
        try:
            code, problem = _run(spec, folder, signals, log)
        except OSError as error:
            code, problem = _exit_code(error), f"cannot run {spec['argv'][0]!r}: {error.strerror or error}"
            log.write([problem.encode()])
        log.finish()
    write(folder / EXIT, {"code": code, "time": time.time(), "problem": problem})


def _run(spec: dict[str, typing.Any], folder: Path, signals: SignalQueue, log: LogWriter) -> tuple[int, str]:
    problem = _enter_namespaces(spec, folder)
    if problem and spec["isolated"]:
        raise OSError(0, f"no network isolation without namespaces ({problem})")
    if problem and spec["overlays"]:
        raise OSError(0, f"no channel of files without namespaces ({problem})")
    readable, writable = os.pipe2(os.O_CLOEXEC)
    try:
        environ, cwd = spec["environ"], Path(spec["cwd"])
        child = start(spec["argv"], env=environ, cwd=cwd, stdout=writable, stderr=writable)
    finally:
        os.close(writable)
    pump = threading.Thread(target=_pump, args=(readable, log), daemon=True)
    pump.start()
    killed = _wait(child, signals)
    # As in a container: with its first process, all others end.
    end_descendants([child], signals, polite_seconds=0)
    pump.join(_FLUSH_SECONDS)
    return (128 + signal.SIGKILL if killed else exit_code(child.returncode)), ""


def _enter_namespaces(spec: dict[str, typing.Any], folder: Path) -> str:
    try:
        namespaces.enter(spec["host"], spec["hosts"], folder, isolated=bool(spec["isolated"]))
        for target, options in spec["overlays"].items():
            namespaces.mount_overlay(Path(target), options)
        namespaces.place(Path(spec["base"]), folder)
    except OSError as error:
        return str(error)
    return ""


def _wait(child: Child, signals: SignalQueue) -> bool:
    """Return when the program has ended; whether somebody wanted it killed."""
    killed = False
    while child.returncode is None:
        for number in signals.wait():
            if number == signal.SIGTERM:
                child.send_signal(number)  # to the first process alone, as container engines do
            elif number == KILL:
                killed = True
                signal_group(child, signal.SIGKILL)
        reap([child])
    return killed


def _pump(source: int, log: LogWriter) -> None:
    while chunk := os.read(source, _CHUNK):
        try:
            log.feed(chunk)
        except OSError:  # a full disk must not stop the program; its next lines may find room again
            continue


def _exit_code(error: OSError) -> int:
    return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN


def write(path: Path, value: dict[str, typing.Any]) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value))
    new.replace(path)
