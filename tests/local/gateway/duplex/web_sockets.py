"""Containers of tests that speak WebSocket, frame by frame; they keep what they get."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.server import ServerProtocol

Behaviour = Callable[[ServerProtocol, Frame], None]


def echo(protocol: ServerProtocol, frame: Frame) -> None:
    """Send a frame back as it is."""
    if frame.opcode is Opcode.CONT:
        protocol.send_continuation(frame.data, frame.fin)
    elif frame.opcode is Opcode.TEXT:
        protocol.send_text(frame.data, frame.fin)
    elif frame.opcode is Opcode.BINARY:
        protocol.send_binary(frame.data, frame.fin)


def nothing(protocol: ServerProtocol, frame: Frame) -> None:
    """Answer nothing."""


@dataclass
class SocketContainer:
    """A server that runs."""

    port: int
    behaviour: Behaviour = echo
    refuse: int = 0
    """The status of the answer to a handshake, in place of consent."""
    reads: threading.Event = field(default_factory=threading.Event)
    """While it is not set nothing is read after the handshake."""
    requests: list[Request] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    ended: int = 0
    """How many connections are over."""
    received: int = 0
    """Bytes of data frames."""

    def take(self, protocol: ServerProtocol, event: Event) -> None:
        """Answer a handshake, or do with a frame as the test says."""
        if isinstance(event, Frame):
            self.frames.append(event)
            self.received += len(event.data)
            self.behaviour(protocol, event)
        elif isinstance(event, Request) and event.path == "/ping":
            protocol.send_response(protocol.reject(200, ""))
        elif isinstance(event, Request):
            self.requests.append(event)
            refused = protocol.reject(self.refuse, "no\n") if self.refuse else None
            protocol.send_response(refused or protocol.accept(event))


@contextmanager
def socket_container() -> Iterator[SocketContainer]:
    """Run a server; it echoes unless it is told something else."""
    listening = socket.create_server(("127.0.0.1", 0))
    found = SocketContainer(listening.getsockname()[1])
    found.reads.set()

    def serve(one: socket.socket) -> None:
        protocol = ServerProtocol(max_size=None)
        with one, suppress(OSError):
            while protocol.state is not State.CLOSED and (data := one.recv(1 << 16)):
                protocol.receive_data(data)
                for event in protocol.events_received():
                    found.take(protocol, event)
                for content in protocol.data_to_send():
                    one.sendall(content) if content else one.shutdown(socket.SHUT_WR)
                found.reads.wait(60)
        found.ended += 1

    def accept() -> None:
        with suppress(OSError):
            while True:
                one, _ = listening.accept()
                threading.Thread(target=serve, args=(one,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
