"""A daemon for a run: the one that is there, or one of its own that ends with the last of its jobs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from mlberth.errors import Fault, PlatformError
from mlberth_local.daemon.home import DEFAULT_REGION, Home, Running
from mlberth_local.daemon.job_list import jobs, open_resources
from mlberth_local.daemon.start import start_detached
from mlberth_local.daemon.start_flags import StartFlags
from mlberth_local.engines.ports import free_port
from mlberth_local.runs.screen import Screen

_DEFAULT_ENGINE = "docker"
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.02


@contextmanager
def platform(home: Home, engine: str | None, environ: Mapping[str, str], screen: Screen) -> Iterator[Running]:
    """Hand out the daemon of a home; one that is started for it ends when no job is left.

    The daemon holds the other end of a pipe of ours, so it also ends if this process is killed.
    Raises `PlatformError` if the daemon that is there has another engine than the one wanted.
    """
    running = _running(home)
    if running:
        if engine and engine != running.engine:
            fault = Fault("--engine", engine, running.engine, f"The daemon of {home.folder} runs with it.")
            raise PlatformError(fault)
        yield running
        return
    reading, writing = os.pipe()
    try:
        flags = StartFlags(free_port(), engine or _DEFAULT_ENGINE, _region(environ), lease=reading)
        try:
            start_detached(home, flags, environ)
        finally:
            os.close(reading)
        running = home.running()
        if running is None:
            raise PlatformError(Fault(f"home {home.folder}", "the daemon has ended", "", "Run: mlberth up"))
        yield running
    finally:
        os.close(writing)
        _wait_for_the_end(home, screen)


def _running(home: Home) -> Running | None:
    """Return the daemon of a home; one that is about to end is waited for, and is none."""
    deadline = time.monotonic() + _END_SECONDS
    while running := home.running():
        with suppress(OSError), socket.create_connection(("127.0.0.1", running.port), timeout=_END_SECONDS):
            return running
        if time.monotonic() > deadline:
            raise PlatformError(
                Fault(str(home.pid_file), "the daemon does not answer", "", "Run: mlberth down")
            )
        time.sleep(_LOOK_SECONDS)
    return None


def _region(environ: Mapping[str, str]) -> str:
    return environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or DEFAULT_REGION


def _wait_for_the_end(home: Home, screen: Screen) -> None:
    """Return when the daemon has ended, so that the next command finds the home as it was."""
    deadline = time.monotonic() + _END_SECONDS
    while home.is_locked():
        if name := _unfinished(home):
            screen.say(f"the platform goes on until {name} has ended")
            return
        if time.monotonic() > deadline:
            raise PlatformError(
                Fault(str(home.pid_file), f"the daemon has not ended after {_END_SECONDS:g} s", "")
            )
        time.sleep(_LOOK_SECONDS)


def _unfinished(home: Home) -> str | None:
    """Return the name of a job that has not ended, if there is one."""
    try:
        with open_resources(home) as resources:
            found = jobs(resources, finished=False, limit=1)
    except PlatformError:  # the daemon has been stopped before it had a store
        return None
    return found[0].name if found else None
