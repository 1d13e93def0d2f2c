"""`mlberth up`: the daemon in the foreground, or in the background as a process of its own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Mapping

from mlberth.errors import Fault, PlatformError
from mlberth_local.daemon.home import Home
from mlberth_local.daemon.start_flags import StartFlags

START_SECONDS = 30.0
_LINES = 15


def start_here(home: Home, flags: StartFlags, environ: Mapping[str, str], ready: int | None) -> bool:
    """Run the daemon in this process until it is stopped; returns False if one runs already."""
    if home.lock() is None:
        return False
    from mlberth_local.daemon.run import run  # the server takes longer to import than a look at the lock

    # The lock is free when this process has ended, and not before.
    run(home, flags, environ, ready)
    home.pid_file.unlink(missing_ok=True)
    return True


def start_detached(home: Home, flags: StartFlags, environ: Mapping[str, str]) -> bool:
    """Start the daemon as a process of its own, and return when its API answers; False if one runs already.

    Raises `PlatformError` with the end of its log if it ends before.
    """
    if home.is_locked():
        return False
    home.folder.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    argv = [
        *(sys.executable, "-m", "mlberth_local", "up", "--home", str(home.folder), "--port", str(flags.port)),
        *("--engine", flags.engine, "--region", flags.region, "--ready", str(writing)),
        *(("--s3-endpoint", flags.s3_endpoint) if flags.s3_endpoint else ()),
        *(("--stream-port", str(flags.stream_port)) if flags.stream_port else ()),
        *(() if flags.lease is None else ("--lease", str(flags.lease))),
    ]
    with home.log_file.open("ab") as log:
        begun = log.tell()
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environ),
            pass_fds=[writing, *(() if flags.lease is None else (flags.lease,))],
            start_new_session=True,
        )
    os.close(writing)
    try:
        if select.select([reading], [], [], START_SECONDS)[0] and os.read(reading, 16):
            child.returncode = 0  # it goes on without us: Popen need not warn that it does
            return True
    finally:
        os.close(reading)
    if child.poll() is None:
        try:
            child.wait(1)
        except subprocess.TimeoutExpired:
            child.terminate()
    with home.log_file.open("rb") as log:
        log.seek(begun)
        said = log.read().decode(errors="replace").splitlines()[-_LINES:]
    text = "\n".join(["the daemon ended before its API answered; its log has:", *said])
    error = PlatformError(Fault(str(home.log_file), text, ""))
    error.exit_code = child.returncode or error.exit_code
    raise error
