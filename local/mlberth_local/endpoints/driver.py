"""The way of one endpoint: look at its instances, decide by the record alone, commit, and look again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial

from mlberth_local.endpoints import deployment, fleet, guardrails
from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.endpoints.instances import Finding, Instances
from mlberth_local.endpoints.record import EndpointRecord, EndpointState, Fleet, Instance, state_of
from mlberth_local.engines.base import EngineError
from mlberth_local.errors import ServiceError
from mlberth_local.gateway.base import GatewayError
from mlberth_local.store.resources import NoSuchResourceError, Resource

_FIRST_LOOK, _LONGEST_LOOK = 0.01, 0.25
"""Seconds between two looks: short starts end without delay, long ones cost little."""
_SILENT_PAUSE = 1.0
"""After an engine or a gateway that does not answer."""
_THREADS = 4
"""So many instances of an endpoint are brought up at once."""

log = logging.getLogger(__name__)


class EndpointDriver:
    """Brings one endpoint to where nothing has to be done for it."""

    def __init__(
        self,
        context: EndpointContext,
        name: str,
        *,
        changed: threading.Event,
        closing: threading.Event,
        publish: Callable[[str, EndpointState | None], None],
    ) -> None:
        self._clock = context.parts.clock
        self._is_firing = context.is_firing
        self._record = EndpointRecord(context.parts.resources, name)
        self._instances = Instances(context, name)
        self._changed = changed
        self._closing = closing
        self._publish = publish

    def drive(self) -> None:
        """Return when the endpoint is at rest, gone, or the platform closes."""
        pause, is_silent = _FIRST_LOOK, False
        with ThreadPoolExecutor(_THREADS, self._record.name) as pool:
            self._watch()
            while not self._closing.is_set():
                try:
                    moved = self._step(pool)
                except (EngineError, GatewayError) as error:
                    if not is_silent:
                        log.warning("endpoint %s: %s", self._record.name, error)
                    moved, pause, is_silent = False, _SILENT_PAUSE, True
                except NoSuchResourceError:
                    return
                else:
                    if is_silent:
                        self._watch()
                    is_silent = False
                if moved:
                    pause = _FIRST_LOOK
                elif self._is_at_rest():
                    return
                if self._changed.wait(pause):
                    self._changed.clear()
                pause = min(pause * 1.2, max(pause, _LONGEST_LOOK))

    def _watch(self) -> None:
        """Go on following the logs of instances that an earlier daemon has started."""
        try:
            for one, instance in state_of(self._record.read()).instances():
                self._instances.watch(one, instance)
        except (EngineError, ServiceError, NoSuchResourceError) as error:
            log.warning("endpoint %s: %s", self._record.name, error)

    def _is_at_rest(self) -> bool:
        try:
            endpoint = self._record.read()
        except NoSuchResourceError:
            return True
        return deployment.is_at_rest(endpoint, state_of(endpoint))

    def _step(self, pool: ThreadPoolExecutor) -> bool:
        """Do what comes next; returns whether the record has changed."""
        endpoint = self._record.read()
        state = state_of(endpoint)
        if state.stage == deployment.DELETING and not state.deployments:
            self._publish(self._record.name, None)
            self._record.delete()
            return True
        # First of all: what the record says of traffic is so before anything is done that relies on it.
        self._publish(self._record.name, state)
        pairs = list(state.instances())
        looks = pool.map(self._look, pairs)
        found = {pair[1].name: finding for pair, finding in zip(pairs, looks, strict=True) if finding}
        firing = self._firing(state)
        decide = partial(_decide, found=found, firing=firing, now=self._clock())
        after, state_after = deepcopy(endpoint), deepcopy(state)
        decide(after, state_after)
        if (after, state_after) == (endpoint, state):
            return False
        with self._record.changing(self._clock()) as (changing, changing_state):
            decide(changing, changing_state)
        return True

    def _firing(self, state: EndpointState) -> list[str]:
        if state.stage not in (deployment.LAUNCHING, deployment.BAKING):
            return []
        names = guardrails.alarms(state.deployment_config)
        return [name for name in names if self._is_firing(name)]

    def _look(self, pair: tuple[Fleet, Instance]) -> Finding | None:
        return self._instances.look(*pair)


def _decide(
    endpoint: Resource, state: EndpointState, *, found: dict[str, Finding], firing: list[str], now: float
) -> None:
    fleet.note(state, found, endpoint.status, now)
    deployment.advance(endpoint, state, now, firing)
    fleet.scale(state, now)
