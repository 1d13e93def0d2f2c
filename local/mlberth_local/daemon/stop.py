"""`mlberth down`: the daemon is told to stop, and waited for."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping
from pathlib import Path

from mlberth_local.daemon.client_environment import remove_endpoints
from mlberth_local.daemon.home import Home, Running
from mlberth_local.daemon.job_list import jobs, open_resources
from mlberth_local.gateway.takeover import end
from mlberth_local.platform import Settings

DOWN_SECONDS = 58.0
_KILL_SECONDS = 3.0
_GATEWAY_SECONDS = 5.0
"""For the requests that a gateway, which has outlived its daemon, is answering."""


def stop_daemon(
    home: Home, user_home: Path, environ: Mapping[str, str], *, seconds: float = DOWN_SECONDS
) -> bool:
    """Stop the daemon of a home, and remove the file in the user's home; returns whether one ran.

    If it was killed, the jobs and endpoints that have outlived it are stopped all the same.
    """
    running = home.running()
    if running is None:
        end(home.gateway, _GATEWAY_SECONDS)
    if running is not None:
        _end(running.pid, seconds)
    elif (last := home.last_running()) is not None:
        _end_what_runs(home, last, environ)
    home.pid_file.unlink(missing_ok=True)
    remove_endpoints(user_home, home)
    return running is not None


def _end_what_runs(home: Home, last: Running, environ: Mapping[str, str]) -> None:
    """Stop the jobs and the endpoints that a killed daemon has left."""
    with open_resources(home) as resources:
        if not jobs(resources, finished=False, limit=1):
            return
    if home.lock() is None:  # somebody has started it in the meantime
        return
    from mlberth_local.daemon.parts import open_parts
    from mlberth_local.daemon.run import STOP_SECONDS

    keys = home.keys()
    settings = Settings(last.port, last.engine, last.region, last.s3_endpoint, keys=keys, environ=environ)
    parts = open_parts(home, settings)
    parts.platform.jobs.start()
    parts.platform.endpoints.start()
    parts.close(STOP_SECONDS)


def _end(pid: int, seconds: float) -> None:
    """Send SIGTERM, and SIGKILL if the process takes too long; returns when it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    try:
        os.kill(pid, signal.SIGTERM)
        if not ended.poll((seconds - _KILL_SECONDS) * 1000):
            os.kill(pid, signal.SIGKILL)
            ended.poll(_KILL_SECONDS * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
