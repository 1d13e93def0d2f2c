"""The table as requests use it: who takes the next one, and how many each instance has in flight.

Connections and counts of an instance stay over a new table.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import accumulate

from mlberth_local.errors import ServiceError
from mlberth_local.gateway.health.checks import Health
from mlberth_local.gateway.models.container import Container
from mlberth_local.gateway.models.instance_models import InstanceModels, Means
from mlberth_local.gateway.proxy.server_pool import ServerConnection, ServerPool
from mlberth_local.gateway.table import Endpoint, Fleet, Instance, Table, Variant
from mlberth_local.platform import ACCOUNT


class LiveInstance:
    """An instance, its connections, and its requests in flight."""

    __slots__ = ("_idle", "health", "instance", "models", "outstanding", "pools")

    def __init__(
        self, instance: Instance, endpoint: str, busy: set[ServerConnection], means: Means | None = None
    ) -> None:
        self.instance = instance
        self.health = Health(endpoint, instance.name, instance.ports)
        self.pools = tuple(ServerPool(port, busy) for port in instance.ports)
        self.models: InstanceModels | None = None
        """Of a multi-model endpoint."""
        if (store := instance.models) is not None and means is not None:
            container = Container(self.pools[store.container], store.inside)
            self.models = InstanceModels(instance.name, store, container, means)
        self.outstanding = 0
        self._idle: list[asyncio.Future[None]] = []

    def done(self) -> None:
        """Count a request that is not in flight any more."""
        self.outstanding -= 1
        if not self.outstanding:
            while self._idle:
                waiting = self._idle.pop()
                if not waiting.done():
                    waiting.set_result(None)

    def models_of(self, container: int) -> InstanceModels | None:
        """Return the models that a container loads by request; None if it has its own one alone."""
        store = self.instance.models
        return self.models if store is not None and store.container == container else None

    def rank(self, model: str) -> float:
        """Return a number that is the smaller, the better the instance can take a request for a model."""
        return self.outstanding if self.models is None else self.models.rank(model, self.outstanding)

    def idle(self) -> asyncio.Future[None]:
        """Return what is done as soon as no request is in flight."""
        found = asyncio.get_running_loop().create_future()
        if self.outstanding:
            self._idle.append(found)
        else:
            found.set_result(None)
        return found


class LiveFleet:
    """A fleet of a variant; `key` is what its requests are counted under."""

    __slots__ = ("instances", "key", "share")

    def __init__(self, fleet: Fleet, instances: tuple[LiveInstance, ...], key: tuple[str, str, str]) -> None:
        self.share = fleet.share
        self.instances = instances
        self.key = key
        """Endpoint, variant, and the endpoint configuration if there are two at the moment, else ""."""

    def healthy(self) -> list[LiveInstance]:
        """Return the instances that may take requests."""
        return [one for one in self.instances if not one.health.is_sick]


class LiveVariant:
    """A variant, and how it shares its requests among its instances."""

    __slots__ = ("_shares", "fleets", "instances", "key", "variant", "waiting")

    def __init__(self, variant: Variant, fleets: tuple[LiveFleet, ...], key: tuple[str, str, str]) -> None:
        self.variant = variant
        self.fleets = tuple(fleet for fleet in fleets if fleet.instances)
        self.instances = sum(len(fleet.instances) for fleet in fleets)
        self.key = key
        """What requests are counted under that no fleet takes."""
        self._shares = list(accumulate(fleet.share for fleet in self.fleets))
        self.waiting = 0
        """How many requests wait for its first instance."""

    @property
    def outstanding(self) -> int:
        """How many requests are in flight: its instances have them, or they wait for the first one."""
        return self.waiting + sum(one.outstanding for fleet in self.fleets for one in fleet.instances)

    def _fleet(self, chance: Callable[[], float]) -> LiveFleet | None:
        """Return the fleet that takes the next request; None if no fleet has an instance."""
        if len(self.fleets) > 1 and (total := self._shares[-1]) > 0:
            return self.fleets[bisect(self._shares, chance() * total, hi=len(self.fleets) - 1)]
        return self.fleets[0] if self.fleets else None

    def candidates(
        self, chance: Callable[[], float], model: str | None = None
    ) -> Iterator[tuple[LiveFleet, LiveInstance]]:
        """Yield healthy instances in the order in which they should be tried, least in flight first.

        Those that have loaded a model, if its name is given, come before the others.
        """
        fleet = self._fleet(chance)
        if fleet is None:
            return
        order = fleet.healthy()
        if len(order) > 1:
            # Of those that have equally many, any: else the first would get all requests of a quiet time.
            order.sort(key=lambda one: (one.rank(model) if model else one.outstanding, chance()))
        yield from ((fleet, one) for one in order)
        for other in self.fleets:
            if other is not fleet and other.share > 0:
                yield from ((other, one) for one in sorted(other.healthy(), key=lambda one: one.outstanding))


class LiveEndpoint:
    """An endpoint, and how it shares its requests among its variants."""

    __slots__ = ("_names", "_weights", "endpoint", "shadows", "variants")

    def __init__(
        self, endpoint: Endpoint, variants: dict[str, LiveVariant], shadows: tuple[LiveVariant, ...] = ()
    ) -> None:
        self.endpoint = endpoint
        self.variants = variants
        self.shadows = shadows
        weighted = {name: one.variant.weight for name, one in variants.items() if one.variant.weight > 0}
        self._names = list(weighted)
        self._weights = list(accumulate(weighted.values()))

    def variant(self, target: str | None, chance: Callable[[], float]) -> LiveVariant:
        """Return the variant that a request names, or that its turn comes to. Raises `ServiceError`."""
        if target is not None:
            if target not in self.variants:
                raise ServiceError(
                    "ValidationError",
                    f"Variant {target} not found for endpoint {self.endpoint.name} of account {ACCOUNT}.",
                )
            return self.variants[target]
        if len(self._names) == 1:
            return self.variants[self._names[0]]
        if not self._names:
            text = f"No variant of endpoint {self.endpoint.name} takes requests: all weights are 0."
            raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)
        place = bisect(self._weights, chance() * self._weights[-1], hi=len(self._names) - 1)
        return self.variants[self._names[place]]


class Routes:
    """All endpoints; `chance` returns a number from 0 to 1 (without 1), `means` are those of models."""

    def __init__(self, chance: Callable[[], float] = random.random, means: Means | None = None) -> None:
        self.chance = chance
        self._means = means
        self.busy: set[ServerConnection] = set()
        self.endpoints: dict[str, Endpoint] = {}
        """Those of the table."""
        self._live: dict[str, LiveEndpoint] = {}
        """Those that somebody has asked for: of a thousand that are idle there is no more than the table."""
        self._instances: dict[Instance, LiveInstance] = {}
        self._leaving: set[LiveInstance] = set()

    def endpoint(self, name: str) -> LiveEndpoint:
        """Return an endpoint. Raises `ServiceError` with the service's words."""
        found = self.find(name)
        if found is None:
            text = f"Endpoint {name} of account {ACCOUNT} not found."
            raise ServiceError("ValidationError", text)
        return found

    def find(self, name: str) -> LiveEndpoint | None:
        """Return an endpoint; None if the table has none of that name."""
        found = self._live.get(name)
        if found is None and (endpoint := self.endpoints.get(name)):
            found = self._live[name] = self._made(endpoint)
        return found

    def used(self) -> Iterator[tuple[str, LiveEndpoint]]:
        """Yield the endpoints that were asked for or have an instance: all that can have something to do."""
        for name, endpoint in self.endpoints.items():
            has_instances = any(fleet.instances for one in endpoint.variants for fleet in one.fleets)
            found = self.find(name) if has_instances else self._live.get(name)
            if found:
                yield name, found

    def apply(self, table: Table) -> None:
        """Route by a table from now on; connections to instances that it has no more are closed."""
        before, self._instances = self._instances, {}
        for endpoint in table.endpoints:
            for variant in (*endpoint.variants, *endpoint.shadows):
                for fleet in variant.fleets:
                    for one in fleet.instances:
                        if one in before:
                            self._instances[one] = before.pop(one)
                        elif one not in self._instances:
                            self._instances[one] = LiveInstance(one, endpoint.name, self.busy, self._means)
        self.endpoints = {one.name: one for one in table.endpoints}
        self._live = {}
        for gone in before.values():
            for pool in gone.pools:
                pool.close()
            if gone.outstanding:
                self._leaving.add(gone)

    def _made(self, endpoint: Endpoint) -> LiveEndpoint:
        return LiveEndpoint(
            endpoint,
            {one.name: self._live_variant(endpoint, one) for one in endpoint.variants},
            tuple(self._live_variant(endpoint, one) for one in endpoint.shadows),
        )

    def _live_variant(self, endpoint: Endpoint, variant: Variant) -> LiveVariant:
        several = len(variant.fleets) > 1
        fleets = (
            LiveFleet(
                fleet,
                tuple(self._instances[one] for one in fleet.instances),
                (endpoint.name, variant.name, fleet.config_name if several else ""),
            )
            for fleet in variant.fleets
        )
        return LiveVariant(variant, tuple(fleets), (endpoint.name, variant.name, ""))

    async def drained(self, ports: set[tuple[int, ...]], seconds: float) -> bool:
        """Wait until the instances with these ports, in the table or before, have no request in flight."""
        self._leaving = {one for one in self._leaving if one.outstanding}
        everyone = (*self._leaving, *self._instances.values())
        waiting = [one.idle() for one in everyone if one.instance.ports in ports]
        if not waiting:
            return True
        _, late = await asyncio.wait(waiting, timeout=seconds)
        return not late

    def multi_model(self) -> Iterator[tuple[tuple[str, str, str], InstanceModels]]:
        """Yield the models of each instance that loads them by request, and what they are counted under."""
        for _, endpoint in self.used():
            for variant in endpoint.variants.values():
                for fleet in variant.fleets:
                    yield from ((fleet.key, one.models) for one in fleet.instances if one.models)

    def outstanding(self) -> int:
        """Return how many requests are in flight."""
        return sum(one.outstanding for one in (*self._instances.values(), *self._leaving))

    def healths(self) -> Iterator[Health]:
        """Yield the health of each instance that is in the table."""
        return (one.health for one in self._instances.values())

    def sweep(self, now: float) -> None:
        """Give up what is past its deadline, and close connections that nobody has used for long."""
        for connection in [one for one in self.busy if one.deadline < now]:
            connection.expire()
        for instance in self._instances.values():
            for pool in instance.pools:
                pool.sweep(now)
