"""The queue of asynchronous requests: on disk before the client has its answer, gone when all is done."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlberth_local.asynchronous import metrics as measured
from mlberth_local.asynchronous.capacity import Place, choose, concurrency, places
from mlberth_local.asynchronous.exchange import FailedError, InstanceGoneError, send
from mlberth_local.asynchronous.inference import KIND, Inference
from mlberth_local.asynchronous.results import Results
from mlberth_local.endpoints.record import KIND as ENDPOINT
from mlberth_local.endpoints.record import EndpointState, state_of
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Objects
from mlberth_local.store.metrics import Metrics, Point, Series
from mlberth_local.store.resources import NoSuchResourceError, Resource, Resources

_LOOK_SECONDS = 0.25
_REPORT_SECONDS = 5.0
"""Between two points of a queue's metrics."""
_AVOID_SECONDS = 1.0
_MOST_THREADS = 64
log = logging.getLogger(__name__)


class AsyncQueue:
    """The queues of all endpoints of one home."""

    def __init__(
        self,
        folder: Path,
        resources: Resources,
        objects: Objects,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        region: str,
        publish: Callable[[str, str, str], object],
        endpoints: Callable[[], Collection[str]],
    ) -> None:
        """`publish` takes a topic's ARN, a subject and a text; `endpoints` names those with a queue."""
        self._folder = folder
        self._resources, self._objects, self._metrics = resources, objects, metrics
        self._clock, self._endpoints = clock, endpoints
        self._results = Results(
            folder, resources, objects, metrics, clock=clock, region=region, publish=publish
        )
        self._waiting: dict[str, deque[Inference]] = {}
        self._busy: Counter[str] = Counter()
        self._avoided: dict[str, float] = {}
        """Instances that took nothing, and until when others are asked."""
        self._changed = threading.Condition()
        self._closing = False
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix=KIND)
        self._dispatcher = threading.Thread(target=self._run, daemon=True, name=f"{KIND} queue")

    def start(self) -> None:
        """Take up what an earlier daemon has left; what it was sending is sent again."""
        for row in self._resources.unfinished(KIND):
            found = Inference(**row.request)
            self._waiting.setdefault(found.endpoint, deque()).append(found)
        known = {one.key for queue in self._waiting.values() for one in queue}
        for path in self._folder.glob("*.*"):
            if path.name.partition(".")[0] not in known:
                path.unlink(missing_ok=True)
        self._dispatcher.start()

    def stop(self) -> None:
        """Stop giving requests to instances; those that are on their way are sent again at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._dispatcher.is_alive():
            self._dispatcher.join()

    def add(self, inference: Inference, body: bytes | None) -> None:
        """Commit a request: it is answered, or its failure is told, whatever happens to this process."""
        if body is not None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._body(inference).write_bytes(body)
        now = inference.received
        self._resources.create(Resource(KIND, inference.key, "", now, now, "", inference.as_row()))
        with self._changed:
            self._waiting.setdefault(inference.endpoint, deque()).append(inference)
            self._changed.notify_all()

    def is_busy(self, instance: str) -> bool:
        """Return whether an instance has a request."""
        return self._busy[instance] > 0

    def _body(self, inference: Inference) -> Path:
        return self._folder / f"{inference.key}.in"

    def _run(self) -> None:
        reported = 0.0
        while not self._closing:
            with self._changed:
                names = list(self._waiting)
            for name in names:
                try:
                    self._dispatch(name)
                except Exception:
                    log.exception("the asynchronous requests of endpoint %s wait", name)
            if (now := self._clock()) >= reported + _REPORT_SECONDS:
                reported = now
                self._report(now)
            with self._changed:
                self._waiting = {name: queue for name, queue in self._waiting.items() if queue}
                self._avoided = {name: until for name, until in self._avoided.items() if until > now}
                if not self._closing:
                    self._changed.wait(_LOOK_SECONDS if self._waiting else _REPORT_SECONDS)

    def _dispatch(self, name: str) -> None:
        """Give requests of an endpoint to instances, as long as there is room; oldest first."""
        state, now = self._state(name), self._clock()
        queue = self._waiting[name]
        while queue and (state is None or queue[0].expires <= now):
            inference = queue.popleft()
            text = (
                f"The endpoint {name} was deleted."
                if state is None
                else f"The request has waited for more than {inference.life:g} s."
            )
            if state is not None:
                self._metrics.put([measured.counted(name, "", "ExpiredRequests", now)])
            self._threads.submit(self._guarded, self._results.fail, inference, state, text)
        if state is None:
            return
        found = [place for place in places(state) if self._avoided.get(place.name, 0.0) <= now]
        most = concurrency(state)
        while queue and (place := choose(found, self._busy, most)):
            with self._changed:
                self._busy[place.name] += 1
            self._threads.submit(self._guarded, self._send, queue.popleft(), state, place)

    def _state(self, name: str) -> EndpointState | None:
        try:
            return state_of(self._resources.get(ENDPOINT, name))
        except NoSuchResourceError:
            return None

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception:  # the next start tries again
            log.exception("an asynchronous request is left for the next start")

    def _send(self, inference: Inference, state: EndpointState, place: Place) -> None:
        began = self._clock()
        endpoint, variant = inference.endpoint, place.variant
        scratch = self._folder / f"{inference.key}.out"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            source = self._source(inference, variant)
            answer = send(
                inference,
                list(place.ports),
                list(place.containers),
                source,
                scratch,
                timeout=inference.timeout,
            )
        except InstanceGoneError:
            with self._changed:
                self._avoided[place.name] = self._clock() + _AVOID_SECONDS
            self._put_back(inference)
            return
        except FailedError as error:
            self._metrics.put([measured.counted(endpoint, variant, "InvocationFailures", self._clock())])
            self._results.fail(inference, state, str(error))
            return
        finally:
            with self._changed:
                self._busy[place.name] -= 1
                if not self._busy[place.name]:
                    del self._busy[place.name]
                self._changed.notify_all()
        now = self._clock()
        self._metrics.put(
            [
                measured.took(endpoint, variant, "TimeInBacklog", began - inference.received, now),
                measured.took(endpoint, variant, "TotalProcessingTime", now - inference.received, now),
                measured.took(endpoint, variant, "ModelLatency", now - began, now),
                # The platform's own name, with three s.
                measured.counted(endpoint, variant, "InvocationsProcesssed", now),
            ]
        )
        self._results.succeed(inference, state, answer, variant)

    def _source(self, inference: Inference, variant: str) -> Path:
        if not inference.input_location:
            return self._body(inference)
        try:
            return self._objects.find(inference.input_location).path
        except (ServiceError, OSError, ValueError) as error:
            name = "RequestDownloadFailures"
            self._metrics.put([measured.counted(inference.endpoint, variant, name, self._clock())])
            raise FailedError(f"The input {inference.input_location} cannot be read: {error}") from error

    def _put_back(self, inference: Inference) -> None:
        """Let another instance have a request: the one that should has ended."""
        with self._changed:
            self._waiting.setdefault(inference.endpoint, deque()).appendleft(inference)

    def _report(self, now: float) -> None:
        """Put the metrics of the queues of all endpoints that take asynchronous requests."""
        points: list[tuple[Series, Point]] = []
        for name in self._endpoints():
            if state := self._state(name):
                queue = self._waiting.get(name) or deque()
                oldest = now - queue[0].received if queue else 0.0
                points += measured.backlog(name, len(queue), oldest, len(places(state)), now)
        if points:
            self._metrics.put(points)
