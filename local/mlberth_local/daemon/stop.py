"""`mlberth down`: the daemon is told to stop, and waited for."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from mlberth_local.daemon.client_environment import remove_endpoints
from mlberth_local.daemon.home import Home

DOWN_SECONDS = 58.0
_KILL_SECONDS = 3.0


def stop(home: Home, user_home: Path, *, seconds: float = DOWN_SECONDS) -> bool:
    """Stop the daemon of a home, and remove the file in the user's home; returns whether one ran."""
    running = home.running()
    if running is not None:
        _end(running.pid, seconds)
    home.pid_file.unlink(missing_ok=True)
    remove_endpoints(user_home, home)
    return running is not None


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
