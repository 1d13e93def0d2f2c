"""`python -m mlberth_local.gateway`: the daemon starts it, and it outlives a daemon that is killed."""

from __future__ import annotations

import gc
import logging
import resource
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import uvloop

from mlberth import logs
from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.proxy.process import Companion, GatewayProcess

_LOCK_SECONDS = 2.0
_IS_RUNNING = 3


def _make_duplex(*parts: Any) -> Companion:
    # What it imports takes a while and some memory, and few platforms have such a port.
    from mlberth_local.gateway.duplex.front import DuplexFront

    return DuplexFront(*parts)


def main() -> int:
    """Run the gateway of a folder; returns 3 if one runs there already."""
    flags = ArgumentParser("python -m mlberth_local.gateway", description=main.__doc__)
    flags.add_argument("--folder", type=Path, required=True, help="of its table, sockets and lock")
    flags.add_argument("--keys", type=Path, required=True, help="a file: access key to secret, as JSON")
    flags.add_argument("--model-seconds", type=float, default=Limits.model_seconds)
    flags.add_argument("--daemon-seconds", type=float, default=Limits.daemon_seconds)
    flags.add_argument("--window-seconds", type=float, default=Limits.window_seconds)
    flags.add_argument("--idle-seconds", type=float, default=Limits.idle_seconds)
    flags.add_argument("--ping-seconds", type=float, default=Limits.ping_seconds)
    flags.add_argument("--load-seconds", type=float, default=Limits.load_seconds)
    flags.add_argument("--models-bytes", type=int, default=Limits.models_bytes)
    chosen = flags.parse_args()
    logs.configure(logging.INFO, form="text")
    places = Places(chosen.folder)
    until = time.monotonic() + _LOCK_SECONDS
    # Who only looks whether it is taken has it for a moment.
    while places.lock() is None:
        if time.monotonic() > until:
            return _IS_RUNNING
        time.sleep(0.02)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limits = Limits(
        chosen.model_seconds,
        chosen.daemon_seconds,
        window_seconds=chosen.window_seconds,
        idle_seconds=chosen.idle_seconds,
        ping_seconds=chosen.ping_seconds,
        load_seconds=chosen.load_seconds,
        models_bytes=chosen.models_bytes,
    )
    gateway = GatewayProcess(places, chosen.keys, limits, _make_duplex)
    gc.freeze()  # what is there now stays: no collection need look at it
    loop = uvloop.new_event_loop()
    loop.run_until_complete(gateway.run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
