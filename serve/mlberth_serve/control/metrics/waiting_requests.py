"""The number of requests that wait for a worker now, as the kernel knows it: nobody else sees all of them.

A request that no worker has begun is a connection in a listen backlog, or unread bytes on a connection that
a worker keeps. For unix sockets only a netlink socket tells both (sock_diag(7), linux/unix_diag.h); any user
may ask, in a container too. For TCP a file does (proc(5)).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_ERROR, _DONE = 2, 3
_SHOW_NAME_AND_QUEUE = 0x11
_NAME, _QUEUE, _SHUTDOWN = 0, 4, 6
_ESTABLISHED, _LISTENING = 1, 10
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBHIIIII")
_MESSAGE = struct.Struct("=BBBBI8x")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_ANY_COOKIE = 0xFFFFFFFF
_BUFFER = 1 << 17
_SECONDS = 1.0
_TCP_ESTABLISHED, _TCP_LISTENING = "01", "0A"


def waiting_at_sockets(folder: Path) -> int | None:
    """Return how many requests wait at the unix sockets in a folder; None if the kernel does not tell."""
    prefix = f"{folder}/".encode()
    try:
        return sum(
            queue if state == _LISTENING else queue > 0  # connections, or bytes of one request
            for state, name, queue in _unix_sockets()
            if name.startswith(prefix)
        )
    except (OSError, struct.error):  # no such kind of socket in this kernel, or it is not for us
        return None


def waiting_at_port(port: int, tables: tuple[str, ...] = ("/proc/net/tcp", "/proc/net/tcp6")) -> int | None:
    """Return how many requests wait at a TCP port and are not read yet; None if nobody tells."""
    waiting = None
    for table in tables:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:  # there is no /proc, or no IPv6
            continue
        waiting = waiting or 0
        for _, local, _, state, queues, _, _, _, _, inode, *_ in map(str.split, lines):
            unread = int(queues.partition(":")[2], 16)
            if int(local.rpartition(":")[2], 16) == port:
                # Bytes of one request. A connection without an inode is in the backlog, and counted there.
                one = state == _TCP_ESTABLISHED and unread > 0 and inode != "0"
                waiting += unread if state == _TCP_LISTENING else one
    return waiting


def _unix_sockets() -> Iterator[tuple[int, bytes, int]]:
    """Yield state, name and queue of each unix socket that listens or is connected."""
    states = 1 << _ESTABLISHED | 1 << _LISTENING
    request = _REQUEST.pack(socket.AF_UNIX, 0, 0, states, 0, _SHOW_NAME_AND_QUEUE, _ANY_COOKIE, _ANY_COOKIE)
    header = _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _REQUEST_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.settimeout(_SECONDS)
        kernel.send(header + request)
        while True:
            data, start = kernel.recv(_BUFFER), 0
            while start < len(data):
                length, kind, *_ = _HEADER.unpack_from(data, start)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError("the kernel does not tell of unix sockets")
                yield _read_socket(data[start + _HEADER.size : start + length])
                start += _aligned(length)


def _read_socket(message: bytes) -> tuple[int, bytes, int]:
    _, _, state, _, _ = _MESSAGE.unpack_from(message)
    name, queue, is_shut, start = b"", 0, False, _MESSAGE.size
    while start < len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, start)
        if kind == _NAME:
            name = message[start + _ATTRIBUTE.size : start + length]
        elif kind == _QUEUE:
            (queue,) = _NUMBER.unpack_from(message, start + _ATTRIBUTE.size)
        elif kind == _SHUTDOWN:
            is_shut = bool(message[start + _ATTRIBUTE.size])
        start += _aligned(length)
    # What is unread on a connection that is shut down waits elsewhere: nginx has been told to send it again.
    return state, name, 0 if is_shut and state == _ESTABLISHED else queue


def _aligned(length: int) -> int:
    return -(-max(length, 1) // 4) * 4
