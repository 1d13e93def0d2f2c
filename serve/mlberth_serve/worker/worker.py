"""Our gunicorn worker: one request at a time, over connections that may stay open between requests.

gunicorn's own classes do not fit a model server: `sync` closes every connection and kills an answer
that streams for longer than the timeout; `gthread` never kills a prediction that hangs. This one waits
for its listener and its connections, and serves what is ready. While it predicts it gives no sign of
life, so that gunicorn sees a prediction that hangs, and replaces the worker. Predictions in the form in
which nginx sends them are read and answered here; gunicorn's parser and framing take everything else.

Behind nginx a worker keeps connections as long as what arrives on them is soon answered. Where predictions
are long it keeps one, and that only until another waits: a request that no worker has begun is in the
listener's queue, where whichever worker is free first takes it, and where no worker's end takes it along.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import resource
import select
import socket
import time
from collections.abc import Collection, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.sync import SyncWorker

from mlberth.contract.resources import read_resident
from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.errors import RequestError
from mlberth_serve.shared.heartbeat import Heartbeat
from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS
from mlberth_serve.worker.batch_sizing import AdaptiveBatchSize
from mlberth_serve.worker.http.connection import MAX_BATCHED_BYTES, Connection
from mlberth_serve.worker.http.response_writer import GoneError, Reply, refusal, send_refusal, send_response
from mlberth_serve.worker.http.wsgi_environ import FastEnviron, FastRequest
from mlberth_serve.worker.instrumentation import Dispatcher
from mlberth_serve.worker.keepalive import ConnectionPool
from mlberth_serve.worker.revocation import ConnectionRevoker

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HEARTBEAT_SECONDS = 1.0
_NOTIFY_SECONDS = 0.25
_READ_SECONDS = 15.0
"""How long a client that is no nginx may take between two pieces of a body."""
_MAX_CONNECTIONS = 1000
_MOVE_EVERY = 64
_TIMEOUT = RequestError(504, "timeout", "No answer within SAGEMAKER_MODEL_SERVER_TIMEOUT seconds.")


class Worker(SyncWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves requests one by one."""

    slot: int
    """Which of the heartbeats, and of whatever else there is one of for each worker, is this one's."""
    heartbeat: Heartbeat
    """Where the supervisor sees that this worker lives; set before it runs."""
    duplicates: ConnectionRevoker
    """Of its connections, for the master; set before it runs."""
    max_memory: int | None = None
    """In bytes; a worker that has more is replaced. Set before it runs."""
    _notified = 0.0
    _is_stopping = False
    _reply: Reply | None = None
    _working: Sequence[Connection] = ()
    """Where the answers to the requests in work belong."""

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
        self._names = {listener.fileno(): listener.getsockname() for listener in self.sockets}
        self._behind_nginx = all(isinstance(name, str) for name in self._names.values())
        self._max = min(_MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._keeps = bool(self.cfg.keepalive)
        self._queue = select.poll()
        self._predictions: Dispatcher | None = self.app.predictions
        self._environ = FastEnviron(self.cfg, whole=self._predictions is not None)
        max_batch_size = self._predictions.max_batch_size if self._predictions else 1
        self._may_batch = max_batch_size > 1
        self._batch_size = AdaptiveBatchSize(max_batch_size)
        listeners = {listener.fileno(): listener for listener in self.sockets}
        with select.epoll() as poll:
            self._pool = ConnectionPool(poll, self.duplicates if self._behind_nginx else None)
            for listener in self.sockets:
                listener.setblocking(False)
                self._queue.register(listener, select.POLLIN)
                # Not EPOLLEXCLUSIVE: the one worker that it wakes may have a request on a kept connection
                # by then, and the new one would wait for that while others sleep.
                poll.register(listener, select.EPOLLIN)
            poll.register(self.PIPE[0], select.EPOLLIN)
            self.notify()
            while self.alive and self.is_parent_alive():
                ready: list[Connection] = []
                for number, _ in self._turn_order(poll.poll(_HEARTBEAT_SECONDS)):
                    if connection := self._pool.get(number):
                        if connection.receive():
                            ready.append(connection)
                    elif number in listeners:
                        self._accept(listeners[number], ready)
                    elif number == self.PIPE[0]:
                        os.read(number, 4096)
                if ready:
                    self._serve_ready(ready)
                else:
                    self.notify()
                self._pool.drop_overdue()
            self._finish()

    def _turn_order(self, events: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return open connections before new ones: to take a new one may close an old one."""
        return events if len(events) == 1 else sorted(events, key=lambda one: self._pool.get(one[0]) is None)

    def _accept(self, listener: Any, ready: list[Connection]) -> None:
        """Take the next connections of the queue: one, or what may be predicted together."""
        # One in any case: kept connections that are never idle would leave the queue waiting.
        maximum = max(self._batch_size.allowed if self._behind_nginx else 1, len(ready) + 1)
        while len(ready) < maximum and (connection := self._accept_one(listener, ready)):
            if self._behind_nginx:
                connection.receive(wait=True)  # nginx has the whole request before it connects
                ready.append(connection)
                if not connection.may_batch():
                    return
            elif connection.receive():
                ready.append(connection)

    def _accept_one(self, listener: Any, ready: Collection[Connection]) -> Connection | None:
        if not self.alive and not self._is_stopping:
            return None  # max_requests: the others, or the next worker, take what waits
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            self.log.warning("No connection can be taken: %s", error.strerror)
            time.sleep(_HEARTBEAT_SECONDS / 10)  # no descriptor is left, say: do not spin
            return None
        server = self._names[listener.fileno()]
        connection = Connection(client, address, server, self.cfg, collect=not self._behind_nginx)
        if self._behind_nginx:
            self._make_room(ready)
        else:
            if len(self._pool) >= self._max:
                self._pool.drop_oldest()
            self._pool.hold(connection)
            if not self.alive:
                select.select([client], [], [], _HEARTBEAT_SECONDS / 10)
        return connection

    def _make_room(self, ready: Collection[Connection]) -> None:
        """Close kept connections, but for those with a request, until one more is not too many."""
        idle = [kept for kept in self._pool if kept not in ready]
        for kept in idle[: max(0, len(self._pool) + 1 - self._max_kept)]:
            self._retire(kept)

    def _serve_ready(self, ready: Sequence[Connection]) -> None:
        """Answer what has arrived on connections: together what may be, everything else by itself."""
        together = []
        if len(ready) > 1 and self._keeps:
            for connection in ready:  # new ones too must not wait for one of the others that hangs
                self._pool.entrust(connection)
        if len(ready) > 1 and self._batch_size.allowed > 1:
            together = [connection for connection in ready if connection.may_batch()]
            if len(together) == 1:
                together = []
        # These first: one of them may be repeated, and must not die with others of whose faults nobody knows.
        for connection in ready:
            if connection not in together:
                self._serve(connection)
        if together:
            self._serve_batch(together)

    def _serve_batch(self, connections: Sequence[Connection]) -> None:
        """Answer one request of each connection, by one call of the model where that can be."""
        present = []
        for connection in connections:
            if connection.is_abandoned():
                self._pool.drop(connection)
            else:
                present.append(connection)
        if not present:
            return
        self._count(len(present))
        self.notify()
        self._begin_work(present)
        try:
            assert self._predictions is not None
            environs = [self._make_environ(connection) for connection in present]
            responses = self._predictions.respond_batch(environs)
            self._end_if_forked()
        except BaseException as error:  # noqa: BLE001 - of ours: what the handler raises is an answer
            self._end_if_forked()
            for connection in present:
                self.handle_error(None, connection.socket, connection.address, error)
                self._pool.drop(connection)
            return
        finally:
            seconds = self._end_work()
        for connection, response in zip(present, responses, strict=True):
            self._finish_fast(connection, response)
        self._batch_size.note(len(present), seconds, waiting=True)

    def _finish_fast(self, connection: Connection, response: HTTPResponse) -> None:
        keep = self._may_keep(connection)
        try:
            send_response(connection.socket, response, keep=keep)
        except GoneError:
            keep = False
        if not keep:
            self._pool.drop(connection)
        elif connection.has_request():
            self._serve(connection)
        else:
            self._pool.hold(connection)

    def _count(self, requests: int) -> None:
        self.nr += requests
        if self.nr >= self.max_requests or self._has_grown():
            self.alive = False

    def _serve(self, connection: Connection) -> None:
        """Answer the requests that have arrived; keep the connection, or close it."""
        if not self._behind_nginx:
            connection.socket.settimeout(_READ_SECONDS)
        while True:
            self.notify()
            if not self._serve_one(connection):
                return self._pool.drop(connection)
            if not connection.has_request():
                return self._pool.hold(connection)

    def _retire(self, connection: Connection) -> None:
        """Close a connection that was kept, and answer first what had arrived on it.

        After the shutdown nginx's next write fails as a whole, which tells it that nobody has its request.
        """
        if self._behind_nginx:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RD)
        if connection.receive() and connection.data:
            self._serve(connection)
        if connection in self._pool:
            self._pool.drop(connection)

    def _finish(self) -> None:
        """Answer what had arrived before we were told to end: on open connections, and in the queue."""
        for connection in self._pool:
            self._retire(connection)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        for listener in self.sockets:
            while self._is_stopping and time.monotonic() < deadline:
                ready: list[Connection] = []
                self._accept(listener, ready)
                if not ready:
                    break
                self._serve_ready(ready)

    def _has_grown(self) -> bool:
        """Tell whether this process has more memory than it may: then this request is its last."""
        return self.max_memory is not None and (read_resident(os.getpid()) or 0) > self.max_memory

    def _is_waited_for(self) -> bool:
        """Tell whether a connection waits in the queue."""
        return bool(self._queue.poll(0))

    def _may_keep(self, connection: Connection) -> bool:
        """Tell whether a connection may stay open.

        Behind nginx one stays while no other waits in the queue, and more than one where they do not
        wait long. Now and then one is closed, so that no worker has many for good while another has few.
        """
        if not self.alive or not self._keeps:
            return False
        if not self._behind_nginx:
            return True
        others = len(self._pool) - (connection in self._pool)
        if (maximum := self._max_kept) == 1:
            return not others and not self._is_waited_for()
        return others < maximum and self.nr % _MOVE_EVERY > 0

    @property
    def _max_kept(self) -> int:
        most = max(self._pool.maximum, self._batch_size.allowed)
        return min(MAX_KEPT_CONNECTIONS, most) if self._pool.is_quick else 1

    def _serve_one(self, connection: Connection) -> bool:
        """Answer one request; returns whether the connection is good for another."""
        try:
            is_fast = connection.read_body()
            request = None if is_fast else connection.take()
        except (StopIteration, NoMoreData, OSError):
            return False  # the other side has no further request
        except Exception as error:  # noqa: BLE001 - a faulty request must not end the worker
            self.handle_error(None, connection.socket, connection.address, error)
            return False
        if connection.is_abandoned():
            return False
        self._count(1)
        self._begin_work([connection])
        try:
            return self._serve_fast(connection) if is_fast else self._answer(connection, request)
        except BaseException as error:
            self._end_if_forked()
            if isinstance(error, GoneError) or (isinstance(error, OSError) and connection.is_abandoned()):
                pass  # the client went away, with its request half read or its answer half sent
            elif self._reply and self._reply.headers_sent:
                # Half of an answer is on its way: only a cut connection can say that it is not whole.
                self.log.exception("The answer broke off.")
            else:
                self.handle_error(request, connection.socket, connection.address, error)
            return False
        finally:
            self._reply = None
            self._end_work()

    def _end_if_forked(self) -> None:
        """End a child that the user's code has forked and let go on: its parent answers the request."""
        if os.getpid() != self.pid:
            os._exit(0)

    def _begin_work(self, connections: Sequence[Connection]) -> None:
        self._working = connections
        self.heartbeat.begin_request(sum([connection.bit for connection in connections]))

    def _end_work(self) -> float:
        """Return the seconds since the requests were begun that have been in work."""
        seconds = self.heartbeat.end_request()
        self._pool.note(seconds, len(self._working))
        self._working = ()
        return seconds

    def _serve_fast(self, connection: Connection) -> bool:
        """Answer a prediction that nginx has sent, with as little around it as can be."""
        environ = self._make_environ(connection)
        if self._predictions is None:
            request = FastRequest(connection.socket)
            reply = Reply(request, connection.socket, self.cfg, lambda: self._may_keep(connection))
            environ["wsgi.early_hints"] = request.early_hints(reply)
            self._write(reply, environ)
            return not reply.should_close()
        began = time.monotonic()
        response = self._predictions.respond(environ)
        self._end_if_forked()
        if self._may_batch and int(environ.get("CONTENT_LENGTH", 0)) <= MAX_BATCHED_BYTES:
            self._batch_size.note(1, time.monotonic() - began, waiting=self._is_waited_for())
        keep = self._may_keep(connection)
        send_response(connection.socket, response, keep=keep)
        return keep

    def _make_environ(self, connection: Connection) -> WSGIEnvironment:
        return self._environ.make(connection, *connection.take_parsed())

    def _answer(self, connection: Connection, request: Any) -> bool:
        reply, environ = wsgi.create(
            request,
            connection.socket,
            connection.address,
            connection.server,
            self.cfg,
            response_class=Reply,
            response_args=(lambda: self._may_keep(connection) and connection.has_body(),),
        )
        self._write(reply, environ)
        return connection.finish_request() and not reply.should_close()

    def _write(self, reply: Reply, environ: WSGIEnvironment) -> None:
        """Let the application answer, piece by piece."""
        self._reply = reply
        body = self.wsgi(environ, reply.start_response)
        self._end_if_forked()
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
        self._is_stopping = True
        super().handle_exit(sig, frame)

    def handle_quit(self, *_: object) -> None:
        """End at once; no code of the user's gets in the way."""
        os._exit(0)

    def handle_abort(self, *_: object) -> None:
        """End a prediction that hangs, with an answer where nginx has not given one."""
        for connection in [] if self._reply and self._reply.headers_sent else self._working:
            with contextlib.suppress(OSError):
                connection.socket.settimeout(0)
                connection.socket.sendall(refusal(_TIMEOUT))
        os._exit(1)

    def handle_error(self, request: Any, client: socket.socket, address: Any, error: BaseException) -> None:
        """Answer a request that cannot be served; gunicorn knows the status, we give it the one form."""
        send_refusal(client, lambda page: super(Worker, self).handle_error(request, page, address, error))
