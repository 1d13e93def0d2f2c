"""The configurations that a job tests: those of its request, or some that are worth a try on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import islice, product
from typing import Any

from mlberth_local.engines.base import Limits
from mlberth_local.jobs.capacity import Capacity
from mlberth_local.recommendations.prices import FILE, Prices
from mlberth_local.recommendations.record import Benchmark

MOST = 10
"""Tests of a job whose request says nothing, and recommendations of a job."""
WORKERS, BATCH = "SAGEMAKER_MODEL_SERVER_WORKERS", "SAGEMAKER_BATCH_MAX_SIZE"
_TYPES = 3
_GENERAL = ("ml.c", "ml.m", "ml.r")
"""Families to try: no accelerators, and none whose CPUs are lent for a while."""
_SERVERLESS = ({"MemorySizeInMB": 1024, "MaxConcurrency": 10}, {"MemorySizeInMB": 2048, "MaxConcurrency": 10})
_ANY = Capacity(1e6, 1 << 60)
"""A machine that every instance type fits."""
_STEM = 40
"""Characters of the job's name in the names of what it makes. Source: the API's model."""
Choice = tuple[dict[str, Any], dict[str, str]]
"""A member of EndpointConfigurations, and variables of the model server."""


def benchmarks(
    job: str, request: Mapping[str, Any], prices: Prices, capacity: Capacity, *, limited: bool
) -> list[Benchmark]:
    """Return the tests of a valid request; `limited`: whether the engine holds an instance to its size."""
    most = (request["InputConfig"].get("ResourceLimit") or {}).get("MaxNumberOfTests") or MOST
    choices = islice(_choices(request["InputConfig"], prices, capacity, limited=limited), most)
    mark = sha256(job.encode()).hexdigest()[:8]
    return [
        Benchmark(
            f"{job[:_STEM].rstrip('-')}-{mark}-{number}",
            prices.serverless_per_gb_second
            if config.get("ServerlessConfig")
            else prices.instance_per_hour[config["InstanceType"]],
            config.get("InstanceType") or "",
            config.get("ServerlessConfig"),
            environment,
        )
        for number, (config, environment) in enumerate(choices, 1)
    ]


def _choices(
    config: Mapping[str, Any], prices: Prices, capacity: Capacity, *, limited: bool
) -> Iterator[Choice]:
    if given := config.get("EndpointConfigurations"):
        for one in given:
            yield from ((one, environment) for environment in _combinations(one))
        return
    container = config.get("ContainerConfig") or {}
    if container.get("SupportedEndpointType") == "Serverless":
        yield from (({"ServerlessConfig": dict(one)}, {}) for one in _SERVERLESS)
        return
    types = container.get("SupportedInstanceTypes") or default_types(prices, capacity, limited=limited)
    for name in types:
        for environment in variables(capacity.limits(name)):
            yield {"InstanceType": name}, environment


def _combinations(config: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield each combination of the values of EnvironmentParameterRanges."""
    ranges = (config.get("EnvironmentParameterRanges") or {}).get("CategoricalParameterRanges") or []
    for values in product(*(one["Value"] for one in ranges)):
        yield {one["Name"]: value for one, value in zip(ranges, values, strict=True)}


def default_types(prices: Prices, capacity: Capacity, *, limited: bool) -> list[str]:
    """Return the types to try if the request names none.

    They are the cheapest that fit this machine. If instances are not held to their size, each is as large as
    the machine, so that the one type to try is the cheapest that has as many CPUs.
    """
    general = sorted(
        (name for name in prices.instance_per_hour if name.startswith(_GENERAL)),
        key=lambda name: (prices.instance_per_hour[name], name),
    )
    sizes = {name: _ANY.limits(name) for name in general}
    if not limited:
        return [name for name in general if sizes[name].cpus >= capacity.cpus][:1] or general[-1:]
    return [name for name in general if _fits(sizes[name], capacity)][:_TYPES] or general[:1]


def caveat(benchmark: Benchmark, capacity: Capacity, *, limited: bool) -> str:
    """Return why a test does not tell how fast its instance type is, if there is a reason."""
    if not limited:
        return "it has the whole machine: the process engine does not hold instances to their size"
    if benchmark.instance_type and (size := _ANY.limits(benchmark.instance_type)).cpus > capacity.cpus:
        return f"it would have {size.cpus:g} CPUs, and has the {capacity.cpus:g} of this machine"
    return ""


def _fits(size: Limits, capacity: Capacity) -> bool:
    return size.cpus <= capacity.cpus and size.memory <= capacity.memory


def variables(size: Limits) -> list[dict[str, str]]:
    """Return the settings of our model server to try on an instance: workers, with and without batching."""
    workers = sorted({1, max(1, int(size.cpus))})
    batching: list[dict[str, str]] = [{}, {BATCH: "1"}]
    return [{WORKERS: str(count)} | batch for count in workers for batch in batching]


def faults(config: Mapping[str, Any], prices: Prices) -> Iterator[str]:
    """Yield what is wrong with the configurations of an InputConfig."""
    where = "InputConfig.EndpointConfigurations"
    for number, one in enumerate(config.get("EndpointConfigurations") or [], 1):
        name, serverless = one.get("InstanceType"), one.get("ServerlessConfig")
        if bool(name) == bool(serverless):
            yield f"{where}.{number}: expected either InstanceType or ServerlessConfig"
        elif name:
            yield from _price_faults(f"{where}.{number}.InstanceType", name, prices)
        ranges = (one.get("EnvironmentParameterRanges") or {}).get("CategoricalParameterRanges") or []
        names = [one["Name"] for one in ranges]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            yield f"{where}.{number}.EnvironmentParameterRanges: {twice} is there twice"
    container = config.get("ContainerConfig") or {}
    types = container.get("SupportedInstanceTypes") or []
    chooses = not (types or config.get("EndpointConfigurations"))
    if chooses and not any(name.startswith(_GENERAL) for name in prices.instance_per_hour):
        yield f"{where} is required: {FILE} has no instance type to try ({', '.join(_GENERAL)})"
    for name in types:
        yield from _price_faults("InputConfig.ContainerConfig.SupportedInstanceTypes", name, prices)


def _price_faults(where: str, name: str, prices: Prices) -> Iterator[str]:
    if name not in prices.instance_per_hour:
        yield f"{where}: {name} has no price; add it to instance_per_hour in {FILE} of the platform's home"
