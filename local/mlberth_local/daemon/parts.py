"""The parts of a platform, opened for a home."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fcntl import ioctl

from mlberth_local.daemon.home import Home
from mlberth_local.platform import Platform, Settings
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics

_GET_ADDRESS = 0x8915
"""SIOCGIFADDR of Linux."""


@dataclass(frozen=True)
class Parts:
    """A platform, and what must be closed after it."""

    platform: Platform
    database: Database

    def close(self) -> None:
        """Close the store."""
        self.database.close()


def open_parts(home: Home, settings: Settings) -> Parts:
    """Open the store and the engine of a home. Raises ValueError for a setting that is not valid."""
    database = Database(home.folder / "mlberth.sqlite")
    platform = Platform(home.folder, settings, metrics=Metrics(database))
    return Parts(platform, database)


def bridge_address(environ: Mapping[str, str]) -> str | None:
    """Return the address at which containers reach this machine: MLBERTH_BRIDGE_ADDRESS, or docker0's."""
    if given := environ.get("MLBERTH_BRIDGE_ADDRESS"):
        return given
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = ioctl(asking.fileno(), _GET_ADDRESS, struct.pack("256s", b"docker0"))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
