"""Our gunicorn worker: one request at a time, over connections that may stay open between requests.

While it predicts it gives no sign of life, so a prediction that hangs is seen and killed. Requests that no
worker has started stay in the listen backlog: the first free worker accepts them, and they survive a worker's
death. Predictions as nginx sends them take the fast path; gunicorn's parser and framing take everything else.
"""
# gunicorn's own classes do not fit a model server: `sync` closes every connection and kills a response that
# streams for longer than the timeout; `gthread` never kills a prediction that hangs.

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import NoMoreData

from mlberth_serve.app.body import ENVIRON_BODY
from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.app.session_request import SessionRequest
from mlberth_serve.app.streamed_response import StreamedResponse
from mlberth_serve.shared.request_ids import ENVIRON_REQUEST_ID, id_of_parsed
from mlberth_serve.worker.backlog import Backlog
from mlberth_serve.worker.batch_sizing import AdaptiveBatchSize
from mlberth_serve.worker.http.connection import MAX_BATCHED_BYTES, Connection
from mlberth_serve.worker.http.fast_path import GoneError, send_response
from mlberth_serve.worker.http.response_writer import begin_wsgi
from mlberth_serve.worker.http.wsgi_environ import base_environ
from mlberth_serve.worker.instrumentation import Instrumented
from mlberth_serve.worker.keepalive import ConnectionPool, KeepAlivePolicy
from mlberth_serve.worker.streams.deliveries import Deliveries
from mlberth_serve.worker.streams.session_delivery import SessionDelivery
from mlberth_serve.worker.worker_process import NOTIFY_SECONDS, WorkerProcess

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_HEARTBEAT_SECONDS = 1.0
"""Between two signs of life of an idle worker: well below gunicorn's shortest timeout here, 2 s."""
_READ_SECONDS = 15.0
"""How long a client that is no nginx may take between two pieces of a body."""
_MAX_CONNECTIONS = 1000
"""Of clients that are no nginx; half the descriptors of the process, if that is less."""


class Worker(WorkerProcess):
    """Serves requests one by one."""

    alive: bool
    # Set when it runs.
    _predictions: Instrumented | None
    """None if the application is the user's own, and knows WSGI alone."""
    _pool: ConnectionPool
    _batch_size: AdaptiveBatchSize
    _deliveries: Deliveries

    def run(self) -> None:
        """Serve until told to end; then answer what has arrived already, and leave."""
        self._backlog = Backlog(self.sockets)
        self._behind_nginx = self._backlog.is_nginx
        self._max = min(_MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._keeps = bool(self.cfg.keepalive)
        self._environ = base_environ(self.cfg)
        self._predictions = self.app.predictions
        max_batch_size = self._predictions.max_batch_size if self._predictions else 1
        self._may_batch = max_batch_size > 1
        self._batch_size = AdaptiveBatchSize(max_batch_size)
        policy = KeepAlivePolicy(enabled=self._keeps, behind_nginx=self._behind_nginx)
        with select.epoll() as poll:
            revoker = self.revoker if self._behind_nginx else None
            self._pool = ConnectionPool(poll, revoker, policy, self._backlog.is_waiting)
            self._deliveries = Deliveries(
                poll,
                self._pool,
                timeout=self.request_timeout,
                notify=self.notify,
                end_if_forked=self._end_if_forked,
                is_leaving=self.is_leaving,
            )
            self._backlog.watch(poll)
            poll.register(self.PIPE[0], select.EPOLLIN)  # signals
            self.notify()  # the first sign of life: the model is loaded
            while self.alive and self.is_parent_alive():
                self._turn(poll.poll(_HEARTBEAT_SECONDS))
                if self._deliveries.active and self._deliveries.expire():
                    self.alive = False
            self._finish()
            self._deliveries.drain([*self._backlog.listeners], self.PIPE[0], self.is_parent_alive)

    def _turn(self, events: list[tuple[int, int]]) -> None:
        """Receive and answer what has arrived."""
        connections = self._pool.by_number
        if len(events) > 1:  # open connections before new ones: to take a new one may close an old one
            events.sort(key=lambda event: event[0] not in connections)
        ready: list[Connection] = []
        for number, _ in events:
            if connection := connections.get(number):
                if connection.receive():
                    ready.append(connection)
            elif listener := self._backlog.listeners.get(number):
                self._accept(listener, ready)
            elif number == self.PIPE[0]:
                os.read(number, 4096)
            else:
                self._deliveries.handle(number)
        if len(ready) == 1:
            self._serve(ready[0])
        elif ready:
            self._serve_ready(ready)
        else:
            self.notify()
        if not self._behind_nginx:
            self._pool.drop_overdue()

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
        if not (accepted := self._backlog.accept(listener, self.log)):
            return None
        connection = Connection(*accepted, self.cfg, self._environ, collect=not self._behind_nginx)
        if self._behind_nginx:
            self._make_room(ready)
        else:
            if len(self._pool) >= self._max:
                self._pool.drop_oldest()
            self._pool.keep(connection)
            if not self.alive:  # told to stop: a request may be on its way, and there is no next turn
                select.select([connection.socket], [], [], _HEARTBEAT_SECONDS / 10)
        return connection

    def _make_room(self, ready: Collection[Connection]) -> None:
        """Close kept connections, but for those with a request, until one more is not too many."""
        idle = [kept for kept in self._pool if kept not in ready]
        for kept in idle[: self._pool.excess(self._batch_size.allowed)]:
            self._retire(kept)

    def _serve_ready(self, ready: Sequence[Connection]) -> None:
        """Answer what has arrived on connections: together what may be, everything else by itself."""
        together: list[Connection] = []
        if len(ready) > 1 and self._keeps:
            for connection in ready:  # new ones too must not wait for one of the others that hangs
                self._pool.add(connection)
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
        """Answer one request of each connection, by one call of the model if that can be."""
        taken: list[tuple[Connection, WSGIEnvironment]] = []
        for connection in connections:
            try:
                taken.append((connection, connection.take()))
            except OSError:  # nobody waits for the response any more
                self._pool.drop(connection)
        if not taken:
            return
        self.nr += len(taken)
        self._working = [connection for connection, _ in taken]
        mask = self._deliveries.mask
        for connection in self._working:
            mask |= connection.mask
        self._do_what_is_due(self.heartbeat.begin_request(mask, taken[0][1][ENVIRON_REQUEST_ID].encode()))
        try:
            assert self._predictions is not None
            responses = self._predictions.respond_batch([environ for _, environ in taken])
            self._end_if_forked()
        except BaseException as error:  # noqa: BLE001 - of ours: what the handler raises is an answer
            self._end_if_forked()
            for connection, _ in taken:
                self.handle_error(None, connection.socket, connection.address, error)
                self._pool.drop(connection)
            return
        finally:
            seconds = self._end_work()
        answered = zip([connection for connection, _ in taken], responses, strict=True)
        # Streams last: the others do not wait for them.
        for connection, response in sorted(answered, key=lambda pair: isinstance(pair[1], StreamedResponse)):
            self._finish_fast(connection, response)
        # After the responses, which do not wait for it. What was run one by one says nothing of batches.
        if self._predictions.has_joined:
            self._batch_size.note(len(taken), seconds, waiting=True)

    def _finish_fast(self, connection: Connection, response: HTTPResponse | StreamedResponse) -> None:
        if isinstance(response, StreamedResponse):
            self._send_stream(connection, response)
            self._drop(connection)
            return
        keep = self._pool.may_keep(connection, self.nr, self._batch_size.allowed, alive=self.alive)
        try:
            send_response(connection.socket, response, keep=keep)
        except GoneError:
            keep = False
        if not keep:
            self._pool.drop(connection)
        elif connection.has_request():
            self._serve(connection)
        else:
            self._pool.keep(connection)

    def _serve(self, connection: Connection) -> None:
        """Answer the requests that have arrived; keep the connection, or close it."""
        if not self._behind_nginx:
            connection.socket.settimeout(_READ_SECONDS)
        while self._serve_one(connection):
            if not (connection.data and connection.has_request()):
                if not connection.mask:  # else it is kept already, and nothing about it has changed
                    self._pool.keep(connection)
                return
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        """Close a connection, unless a stream goes on there."""
        if connection not in self._deliveries:
            self._pool.drop(connection)

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
        deadline = time.monotonic() + self.cfg.graceful_timeout  # the arbiter kills us then
        for listener in self.sockets:
            while self._is_stopping and time.monotonic() < deadline:
                ready: list[Connection] = []
                self._accept(listener, ready)
                if not ready:
                    break
                self._serve_ready(ready)

    def _serve_one(self, connection: Connection) -> bool:
        """Answer one request; returns whether the connection is good for another."""
        try:
            request = connection.take()
        except (StopIteration, NoMoreData, OSError):
            return False  # the other side has no further request, or waits for no response
        except Exception as error:  # noqa: BLE001 - a faulty request must not end the worker
            self.handle_error(None, connection.socket, connection.address, error)
            return False
        is_fast = isinstance(request, dict)
        name = request[ENVIRON_REQUEST_ID].encode() if is_fast else id_of_parsed(request)
        self.nr += 1  # before the response, which says whether the connection is kept
        self._working = (connection,)
        began = self.heartbeat.begin_request(self._deliveries.mask | connection.mask, name)
        if began - self._notified > NOTIFY_SECONDS or self.nr >= self.max_requests or self.max_memory:
            self._do_what_is_due(began)
        try:
            if self._predictions is None or not is_fast:
                return self._answer(connection, request)
            response = self._predictions.respond(request)
            if os.getpid() != self.pid:  # seen here, so that the usual request costs no call
                self._end_if_forked()
            if isinstance(response, StreamedResponse):
                return self._send_stream(connection, response)
            if self._may_batch and len(request[ENVIRON_BODY]) <= MAX_BATCHED_BYTES:
                self._batch_size.note(1, time.monotonic() - began, waiting=self._backlog.is_waiting())
            keep = self._pool.may_keep(connection, self.nr, self._batch_size.allowed, alive=self.alive)
            send_response(connection.socket, response, keep=keep)
            return keep
        except BaseException as error:  # noqa: BLE001 - whatever it is, the request ends with it
            self._end_if_forked()
            self._answer_failure(connection, None if is_fast else request, error)
            return False
        finally:
            self._response = None
            self._end_work()

    def _answer_failure(self, connection: Connection, parsed: Any, error: BaseException) -> None:
        """Answer, if it is possible, a request that no response was made for, or not a whole one."""
        if isinstance(error, GoneError) or (isinstance(error, OSError) and connection.is_abandoned()):
            pass  # the client went away, with its request half read or its answer half sent
        elif self._response and self._response.headers_sent:
            # Half of an answer is on its way: only a cut connection can say that it is not whole.
            self.log.error("The answer broke off.", exc_info=error)
        else:
            self.handle_error(parsed, connection.socket, connection.address, error)

    def _end_if_forked(self) -> None:
        """End a child that the user's code has forked and let go on: its parent answers the request."""
        if os.getpid() != self.pid:
            os._exit(0)

    def _do_what_is_due(self, now: float) -> None:
        """Do what is due beside the requests: a sign of life to gunicorn, and the end of this worker."""
        if now - self._notified > NOTIFY_SECONDS:
            self._notify_gunicorn(now)
        if self.nr >= self.max_requests or (self.max_memory and self._has_grown()):
            self.alive = False

    def _end_work(self) -> float:
        """Return the seconds since the requests were begun that have been in work."""
        seconds = self.heartbeat.end_request()
        self._pool.policy.learn(seconds, len(self._working))
        self._working = ()
        stdout, stderr = self.streams.current
        if getattr(sys, "stdout", None) is not stdout or getattr(sys, "stderr", None) is not stderr:
            self.streams.restore()  # the user's code has put something in their place
        return seconds

    def _answer(self, connection: Connection, request: Any) -> bool:
        """Let the application answer by WSGI, piece by piece."""
        response, environ = begin_wsgi(
            connection,
            request,
            self.cfg,
            lambda: self._pool.may_keep(connection, self.nr, self._batch_size.allowed, alive=self.alive),
        )
        self._response = response
        if self._predictions and (answer := self._predictions.answer(environ)):
            self._end_if_forked()
            if isinstance(answer, SessionRequest):
                connection.finish_request()
                self._deliveries.send(SessionDelivery(answer, connection))
                return False
            if isinstance(answer, StreamedResponse):
                return self._send_stream(connection, answer, chunked=request.version >= (1, 1))
            response.start_response(answer.status_line, answer.headers)
            response.write(answer.body)
            response.close()
        else:
            body = self.wsgi(environ, response.start_response)
            self._end_if_forked()
            try:
                for piece in body:
                    response.write(piece)
                    self.notify()  # a stream may outlast the timeout, as long as it moves
                response.close()
            finally:
                if hasattr(body, "close"):
                    body.close()
        return connection.finish_request() and not response.should_close()

    def _send_stream(
        self, connection: Connection, response: StreamedResponse, *, chunked: bool = True
    ) -> bool:
        """Begin to send a stream, or send all of it; either way its connection takes no further request."""
        self._response = delivery = self._deliveries.make(connection, response, chunked=chunked)
        self._deliveries.send(delivery)
        return False
