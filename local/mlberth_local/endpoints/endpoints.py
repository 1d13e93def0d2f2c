"""The endpoints of a platform: made, changed, deleted, and found again after a restart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mlberth_local.endpoints import deployment
from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.endpoints.driver import EndpointDriver
from mlberth_local.endpoints.health import HealthNotes
from mlberth_local.endpoints.instances import programs
from mlberth_local.endpoints.record import KIND, EndpointRecord, EndpointState, state_of
from mlberth_local.endpoints.routing import Trees, route
from mlberth_local.endpoints.watcher import Watcher
from mlberth_local.engines.base import EngineError
from mlberth_local.engines.leftovers import Leftovers
from mlberth_local.engines.trees import remove_tree
from mlberth_local.gateway import table
from mlberth_local.gateway.base import GatewayError
from mlberth_local.store.resources import NoSuchResourceError, Resource

log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 2.0
_THREADS = 8


class Endpoints:
    """All endpoints of one home."""

    def __init__(self, context: EndpointContext) -> None:
        self.context = context
        self._resources = context.parts.resources
        self._lock = threading.Condition()
        self._drivers: dict[str, threading.Event] = {}
        self._resting: dict[str, list[tuple[str, str]]] = {}
        """The run and the host of each container of an endpoint that nothing has to be done for."""
        self._closing = threading.Event()
        self._publishing = threading.Lock()
        self.health = HealthNotes(self._resources, clock=context.parts.clock, wake=self.wake)
        self._routes: dict[str, table.Endpoint] = {}
        self._leftovers = Leftovers(self.collect_garbage)
        self._watcher = Watcher(context, closing=self._closing, resting=self._at_rest, wake=self.wake)

    def start(self) -> None:
        """Take up what an earlier daemon has left, and remove what nobody needs any more."""
        endpoints = self._resources.unfinished(KIND)
        for endpoint in endpoints:
            state = state_of(endpoint)
            self.health.remember(endpoint.name, state)
            if found := self._route(endpoint.name, state):
                self._routes[endpoint.name] = found
        try:
            self._apply()  # of an earlier daemon's table nothing is left
            self.collect_garbage()
        except (EngineError, GatewayError) as error:  # each endpoint goes on trying by itself
            self._leftovers.note("earlier endpoints", error)
        for endpoint in endpoints:
            self.wake(endpoint.name)
        self._watcher.start()

    def create(self, endpoint: Resource) -> None:
        """Commit a new endpoint, and bring it up. Raises NameTakenError."""
        self._resources.create(endpoint)
        self.wake(endpoint.name)

    def change(self, name: str, apply: Callable[[Resource, EndpointState], None]) -> None:
        """Commit what shall happen to an endpoint: it happens at once. Nothing does if `apply` raises.

        Raises NoSuchResourceError.
        """
        record = EndpointRecord(self._resources, name)
        with record.changing(self.context.parts.clock()) as (endpoint, state):
            apply(endpoint, state)
        self.wake(name)

    def need(self, name: str, variant: str, awake: bool) -> None:
        """Give a serverless variant an instance, or take it away; others are not touched."""

        def apply(_: Resource, state: EndpointState) -> None:
            for deployment_ in state.deployments:
                for fleet in deployment_.fleets:
                    if fleet.variant == variant and fleet.is_serverless and fleet.full is None:
                        keeps = bool(fleet.plan["ServerlessConfig"].get("ProvisionedConcurrency"))
                        fleet.desired = int(awake or keeps)

        try:
            self.change(name, apply)
        except NoSuchResourceError:
            log.debug("endpoint %s is gone", name)

    def asynchronous(self) -> list[str]:
        """Return the endpoints that take asynchronous requests."""
        return [one.name for one in list(self._routes.values()) if one.asynchronous]

    def wake(self, name: str) -> None:
        """Look after an endpoint now: its record was changed, or one of its instances has ended."""
        with self._lock:
            if self._closing.is_set():
                return
            if name in self._drivers:
                self._drivers[name].set()
                return
            self._resting.pop(name, None)
            self._drivers[name] = threading.Event()
            threading.Thread(target=self._drive, args=(name,), daemon=True, name=f"{KIND}/{name}").start()

    def _drive(self, name: str) -> None:
        changed = self._drivers[name]
        driver = EndpointDriver(
            self.context, name, changed=changed, closing=self._closing, publish=self._publish
        )
        while True:
            try:
                driver.drive()
            except Exception:  # a full disk for example: it is tried again until there is room
                log.exception("endpoint %s: it cannot be looked after", name)
                if not self._closing.wait(_AGAIN_SECONDS):
                    continue
            with self._lock:
                if changed.is_set() and not self._closing.is_set():
                    changed.clear()
                    continue
                del self._drivers[name]
                self._rest(name)
                self._lock.notify_all()
                return

    def _rest(self, name: str) -> None:
        try:
            self._resting[name] = self._runs_of(name)
        except NoSuchResourceError:
            return

    def _at_rest(self) -> dict[str, list[tuple[str, str]]]:
        with self._lock:
            return dict(self._resting)

    def _publish(self, name: str, state: EndpointState | None) -> None:
        """Let requests to an endpoint go where its record says; returns when they do. Raises GatewayError."""
        found = self._route(name, state) if state else None
        with self._publishing:
            before = self._routes.get(name)
            if found == before:
                return
            if found:
                self._routes[name] = found
            else:
                self._routes.pop(name, None)
            try:
                self._apply()
            except BaseException:
                if before:
                    self._routes[name] = before
                else:
                    self._routes.pop(name, None)
                raise

    def _route(self, name: str, state: EndpointState) -> table.Endpoint | None:
        parts = self.context.parts
        return route(name, state, self.context.log_arn, Trees(parts.runs, parts.in_containers))

    def _apply(self) -> None:
        self.context.gateway.apply(table.Table(tuple(self._routes.values())))

    def join(self, timeout: float | None = None) -> bool:
        """Return whether nothing has to be done for any endpoint, at the latest after `timeout` seconds."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._drivers, timeout)

    def stop_all(self, seconds: float) -> bool:
        """Stop every instance, with `seconds` for their programs; the next `start` serves them again.

        Returns whether all have ended.
        """
        self._leftovers.close()
        with self._lock:
            self._closing.set()
            for changed in self._drivers.values():
                changed.set()
        self.join(seconds)
        self.context.gateway.stop(seconds)
        self._watcher.deliver()
        names = [endpoint.name for endpoint in self._resources.unfinished(KIND)]
        runs = [pair for name in names for pair in self._runs_of(name)]
        engine = self.context.parts.engine
        try:
            for run, _ in runs:
                engine.stop(run)
            deadline = time.monotonic() + seconds
            while any(self._watcher.runs(*pair) for pair in runs) and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)
            for name in names:
                self._note_stop(name)
            self.collect_garbage()
        except EngineError as error:
            log.warning("some instances have not ended: %s", error)
            return False
        return True

    def _runs_of(self, name: str) -> list[tuple[str, str]]:
        state = state_of(self._resources.get(KIND, name))
        return [one for pair in state.instances() for one in programs(name, *pair)]

    def _note_stop(self, name: str) -> None:
        now = self.context.parts.clock()
        with EndpointRecord(self._resources, name).changing(now) as (endpoint, state):
            for one in state.deployments:
                for fleet in one.fleets:
                    fleet.instances = []
            if endpoint.status == deployment.IN_SERVICE:
                endpoint.status = deployment.SYSTEM_UPDATING
                state.enter(deployment.RESUMING, now)
                state.note(endpoint.status, "The platform was stopped", now)

    def collect_garbage(self) -> list[str]:
        """Remove runs and folders of instances that no endpoint has; returns their names."""
        parts = self.context.parts
        folders = {entry.name for entry in parts.runs.iterdir()} if parts.runs.is_dir() else set()
        found = {name for name in folders | parts.engine.names() if name.startswith(f"{KIND}.")}
        known = {run for one in self._resources.unfinished(KIND) for run, _ in self._runs_of(one.name)}
        gone = sorted(found - known)

        def remove(name: str) -> None:
            parts.engine.remove(name, parts.owner)
            remove_tree(parts.runs / name)

        # Docker takes most of a second for each.
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(remove, gone))
        return gone
