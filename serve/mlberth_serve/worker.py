"""Our gunicorn worker: one request at a time, over connections that may stay open between requests.

gunicorn's own classes do not fit a model server: `sync` closes every connection and kills an answer
that streams for longer than the timeout; `gthread` never kills a prediction that hangs. This one waits
for its listener and its connections, and serves what is ready. While it predicts it gives no sign of
life, so that gunicorn sees a prediction that hangs, and replaces the worker. gunicorn's parser reads
the requests, and its framing writes the answers.

Behind nginx nothing that a worker holds ever waits for it while it is busy: it keeps one connection at
most, and that one only until another worker's client comes along. A request that no worker has begun
is in the listener's queue, where whichever worker is free first takes it, and where no worker's end
takes it along.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import select
import socket
import time
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.sync import SyncWorker

from mlberth_serve.connection import Connection
from mlberth_serve.errors import RequestError
from mlberth_serve.heartbeat import Heartbeat
from mlberth_serve.lean_environ import LeanEnviron, LeanRequest
from mlberth_serve.memory import read_resident
from mlberth_serve.refusal import refusal, send_refusal
from mlberth_serve.reply import GoneError, Reply, send_response
from mlberth_serve.request_head import Head

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HEARTBEAT_SECONDS = 1.0
_NOTIFY_SECONDS = 0.25
_READ_SECONDS = 15.0
"""How long a client that is no nginx may take between two pieces of a body."""
_MOST_CONNECTIONS = 1000
_TIMEOUT = RequestError(504, "timeout", "No answer within SAGEMAKER_MODEL_SERVER_TIMEOUT seconds.")


class Worker(SyncWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves requests one by one."""

    slot: int
    """Which of the heartbeats, and of whatever else there is one of for each worker, is this one's."""
    heartbeat: Heartbeat
    """Where the supervisor sees that this worker lives; set before it runs."""
    most_memory: int | None = None
    """In bytes; a worker that has more is replaced. Set before it runs."""
    _notified = 0.0
    _told_to_end = False
    _reply: Reply | None = None
    _waiting: socket.socket | None = None
    """Where the answer to the request in work belongs."""

    def init_signals(self) -> None:
        """Let a prediction that is cut off leave its stack in the log, even from inside C code."""
        super().init_signals()
        faulthandler.enable()  # after gunicorn's: it dumps, then calls the handler that was there before

    def notify(self) -> None:
        """Tell gunicorn, and the supervisor, that this worker lives."""
        now = self.heartbeat.beat()
        if now - self._notified > _NOTIFY_SECONDS:  # gunicorn's sign is a file's time: a system call
            self._notified = now
            super().notify()

    def run(self) -> None:
        """Serve until told to end; then answer what has arrived already, and leave."""
        self._connections: dict[int, Connection] = {}
        self._names = {listener.fileno(): listener.getsockname() for listener in self.sockets}
        self._behind_nginx = all(isinstance(name, str) for name in self._names.values())
        self._most = min(_MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._queue = select.poll()
        self._environ = LeanEnviron(self.cfg)
        self._respond = self.app.respond
        listeners = {listener.fileno(): listener for listener in self.sockets}
        with select.epoll() as self._poll:
            for listener in self.sockets:
                listener.setblocking(False)
                self._queue.register(listener, select.POLLIN)
                # EXCLUSIVE: a new connection wakes one worker, not all of them.
                self._poll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            self._poll.register(self.PIPE[0], select.EPOLLIN)
            while self.alive and self.is_parent_alive():
                self.notify()
                for number, _ in self._turn_order(self._poll.poll(_HEARTBEAT_SECONDS)):
                    if number in self._connections:
                        self._go_on(self._connections[number])
                    elif number in listeners:
                        self._accept(listeners[number])
                    elif number == self.PIPE[0]:
                        os.read(number, 4096)
                self._close_overdue()
            self._finish()

    def _turn_order(self, events: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return open connections before new ones: to take a new one may close an old one."""
        return sorted(events, key=lambda event: event[0] not in self._connections)

    def _accept(self, listener: Any) -> bool:
        """Take the next connection of the queue; returns whether there was one."""
        if not self.alive and not self._told_to_end:
            return False  # max_requests: the others, or the next worker, take what waits
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            self.log.warning("No connection can be taken: %s", error.strerror)
            time.sleep(_HEARTBEAT_SECONDS / 10)  # no descriptor is left, say: do not spin
            return False
        server = self._names[listener.fileno()]
        connection = Connection(client, address, server, self.cfg, collect=not self._behind_nginx)
        if self._behind_nginx:
            for idle in list(self._connections.values()):
                self._retire(idle)
            connection.receive(wait=True)  # nginx has the whole request before it connects
            self._serve(connection)
        else:
            if len(self._connections) >= self._most:
                self._drop(min(self._connections.values(), key=lambda held: held.deadline))
            self._hold(connection)
            if not self.alive:
                select.select([client], [], [], _HEARTBEAT_SECONDS / 10)
            self._go_on(connection)
        return True

    def _go_on(self, connection: Connection) -> None:
        """Serve a connection where enough has arrived on it."""
        if connection.receive():
            self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        """Answer the requests that have arrived; keep the connection, or close it."""
        if not self._behind_nginx:
            connection.socket.settimeout(_READ_SECONDS)
        while True:
            self.notify()
            if not self._serve_one(connection):
                return self._drop(connection)
            if not connection.has_request():
                return self._hold(connection)

    def _hold(self, connection: Connection) -> None:
        if not self._behind_nginx:
            connection.socket.settimeout(0)
        connection.idle()
        number = connection.socket.fileno()
        if number not in self._connections:
            self._connections[number] = connection
            self._poll.register(number, select.EPOLLIN)

    def _drop(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        if self._connections.pop(number, None):
            self._poll.unregister(number)
        connection.close()

    def _retire(self, connection: Connection) -> None:
        """Close a connection that was kept, and answer first what had arrived on it.

        After the shutdown nginx's next write fails as a whole, which tells it that nobody has its request.
        """
        if self._behind_nginx:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RD)
        if connection.receive() and connection.data:
            self._serve(connection)
        if connection.socket.fileno() in self._connections:
            self._drop(connection)

    def _close_overdue(self) -> None:
        if not self._behind_nginx:  # which closes what it does not use by itself
            now = time.monotonic()
            for connection in [held for held in self._connections.values() if held.deadline < now]:
                self._drop(connection)

    def _finish(self) -> None:
        """Answer what had arrived before we were told to end: on open connections, and in the queue."""
        for connection in list(self._connections.values()):
            self._retire(connection)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        for listener in self.sockets:
            while self._told_to_end and time.monotonic() < deadline and self._accept(listener):
                pass

    def _has_grown(self) -> bool:
        """Tell whether this process has more memory than it may: then this request is its last."""
        return self.most_memory is not None and (read_resident(os.getpid()) or 0) > self.most_memory

    def _may_keep(self) -> bool:
        """Tell whether a connection may stay open: where another waits, nginx's goes to the queue's end."""
        return self.alive and bool(self.cfg.keepalive) and not (self._behind_nginx and self._queue.poll(0))

    def _serve_one(self, connection: Connection) -> bool:
        """Answer one request; returns whether the connection is good for another."""
        try:
            lean = connection.take_lean()
            request = connection.take() if lean is None else None
        except (StopIteration, NoMoreData, OSError):
            return False  # the other side has no further request
        except Exception as error:  # noqa: BLE001 - a faulty request must not end the worker
            self.handle_error(None, connection.socket, connection.address, error)
            return False
        if connection.is_abandoned():
            return False
        self.nr += 1
        if self.nr >= self.max_requests or self._has_grown():
            self.alive = False
        self._waiting = connection.socket
        self.heartbeat.begin_request()
        try:
            return self._answer_lean(connection, *lean) if lean else self._answer(connection, request)
        except (Exception, SystemExit) as error:
            if isinstance(error, GoneError) or (isinstance(error, OSError) and connection.is_abandoned()):
                pass  # the client went away, with its request half read or its answer half sent
            elif self._reply and self._reply.headers_sent:
                # Half of an answer is on its way: only a cut connection can say that it is not whole.
                self.log.exception("The answer broke off.")
            else:
                self.handle_error(request, connection.socket, connection.address, error)
            return False
        finally:
            self._reply = self._waiting = None
            self.heartbeat.end_request()

    def _answer_lean(self, connection: Connection, head: Head, body: bytes) -> bool:
        """Answer a prediction that nginx has sent, with as little around it as can be."""
        environ = self._environ.make(connection, head, body)
        connection.finish_lean()
        if self._respond is None:
            request = LeanRequest(connection.socket)
            reply = Reply(request, connection.socket, self.cfg, self._may_keep)
            environ["wsgi.early_hints"] = request.early_hints(reply)
            self._write(reply, environ)
            return not reply.should_close()
        response = self._respond(environ)
        keep = self._may_keep()
        send_response(connection.socket, response, keep=keep)
        return keep

    def _answer(self, connection: Connection, request: Any) -> bool:
        reply, environ = wsgi.create(
            request,
            connection.socket,
            connection.address,
            connection.server,
            self.cfg,
            response_class=Reply,
            response_args=(self._may_keep,),
        )
        self._write(reply, environ)
        return connection.finish_request() and not reply.should_close()

    def _write(self, reply: Reply, environ: WSGIEnvironment) -> None:
        """Let the application answer, piece by piece."""
        self._reply = reply
        body = self.wsgi(environ, reply.start_response)
        try:
            for piece in body:
                reply.write(piece)
                self.notify()  # a stream may outlast the timeout, as long as it moves
            reply.close()
        finally:
            if hasattr(body, "close"):
                body.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that the master wants this worker to end when it has answered what has arrived."""
        self._told_to_end = True
        super().handle_exit(sig, frame)

    def handle_quit(self, *_: object) -> None:
        """End at once; no code of the user's gets in the way."""
        os._exit(0)

    def handle_abort(self, *_: object) -> None:
        """End a prediction that hangs, with an answer where nginx has not given one."""
        if self._waiting and not (self._reply and self._reply.headers_sent):
            with contextlib.suppress(OSError):
                self._waiting.settimeout(0)
                self._waiting.sendall(refusal(_TIMEOUT))
        os._exit(1)

    def handle_error(self, request: Any, client: socket.socket, address: Any, error: BaseException) -> None:
        """Answer a request that cannot be served; gunicorn knows the status, we give it the one form."""
        send_refusal(client, lambda page: super(Worker, self).handle_error(request, page, address, error))
