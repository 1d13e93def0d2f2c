"""Tests of the configurations that a job tests."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.jobs.capacity import Capacity
from mlberth_local.recommendations.candidates import benchmarks, caveat, default_types, faults
from mlberth_local.recommendations.prices import Prices
from mlberth_local.recommendations.record import Benchmark, Result

GB = 1024**3
PRICES = Prices(
    {
        "ml.c5.large": 1,
        "ml.m5.large": 2,
        "ml.c5.xlarge": 3,
        "ml.m5.xlarge": 4,
        "ml.g5.xlarge": 0.5,
        "ml.t2.large": 0.1,
    },
    0.25,
)
MACHINE = Capacity(4, 16 * GB)


def benchmarks_for(
    config: dict[str, Any], *, limited: bool = True, capacity: Capacity = MACHINE
) -> list[Benchmark]:
    """Return the benchmarks of a job with an InputConfig."""
    return benchmarks("job", {"InputConfig": config}, PRICES, capacity, limited=limited)


def test_each_combination_of_a_request_is_tested() -> None:
    """Instance types by values of variables, in their order."""
    ranges = [{"Name": "A", "Value": ["1", "2"]}, {"Name": "B", "Value": ["x", "y"]}]
    config = {
        "EndpointConfigurations": [
            {"InstanceType": "ml.c5.large"},
            {
                "InstanceType": "ml.m5.large",
                "EnvironmentParameterRanges": {"CategoricalParameterRanges": ranges},
            },
            {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}},
        ]
    }
    found = benchmarks_for(config)
    assert [str(one) for one in found] == [
        "ml.c5.large",
        *(f"ml.m5.large A={a} B={b}" for a in "12" for b in "xy"),
        "serverless 2048 MB",
    ]
    assert [one.price for one in found] == [1, 2, 2, 2, 2, 0.25]
    assert len({one.endpoint for one in found}) == len(found)
    assert len(benchmarks_for({**config, "ResourceLimit": {"MaxNumberOfTests": 2}})) == 2


def test_long_names_stay_within_the_limit() -> None:
    """Those of two jobs whose first 40 characters are equal differ."""
    config = {"EndpointConfigurations": [{"InstanceType": "ml.c5.large"}]}
    names = {
        benchmarks(f"{'j' * 60}-{number}", {"InputConfig": config}, PRICES, MACHINE, limited=True)[0].endpoint
        for number in (1, 2)
    }
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)


def test_what_is_tested_if_the_request_says_nothing() -> None:
    """The cheapest types that fit the machine, with one worker and one for each CPU, batching and not."""
    assert default_types(PRICES, MACHINE, limited=True) == ["ml.c5.large", "ml.m5.large", "ml.c5.xlarge"]
    assert default_types(PRICES, Capacity(2, 4 * GB), limited=True) == ["ml.c5.large"]
    assert default_types(PRICES, Capacity(1, GB), limited=True) == ["ml.c5.large"]
    found = benchmarks_for({"ContainerConfig": {"SupportedInstanceTypes": ["ml.m5.xlarge"]}})
    assert [one.environment for one in found] == [
        {"SAGEMAKER_MODEL_SERVER_WORKERS": workers, **batch}
        for workers in ("1", "4")
        for batch in ({}, {"SAGEMAKER_BATCH_MAX_SIZE": "1"})
    ]
    assert len(benchmarks_for({})) == 10
    assert [
        one.size for one in benchmarks_for({"ContainerConfig": {"SupportedEndpointType": "Serverless"}})
    ] == [
        "serverless 1024 MB",
        "serverless 2048 MB",
    ]


def test_without_limits_one_type_is_as_large_as_the_machine() -> None:
    """Others would be the same machine at another price."""
    assert default_types(PRICES, MACHINE, limited=False) == ["ml.c5.xlarge"]
    assert default_types(PRICES, Capacity(96, GB), limited=False) == ["ml.m5.xlarge"]
    [first, *_] = benchmarks_for({}, limited=False)
    assert "whole machine" in caveat(first, MACHINE, limited=False)
    assert caveat(first, MACHINE, limited=True) == ""
    assert "would have 4 CPUs, and has the 2" in caveat(first, Capacity(2, GB), limited=True)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"EndpointConfigurations": [{}]}, "1: expected either InstanceType or ServerlessConfig"),
        (
            {"EndpointConfigurations": [{"InstanceType": "ml.p3.2xlarge"}]},
            "ml.p3.2xlarge has no price; add it",
        ),
        (
            {"ContainerConfig": {"SupportedInstanceTypes": ["ml.x"]}},
            "SupportedInstanceTypes: ml.x has no price",
        ),
        (
            {
                "EndpointConfigurations": [
                    {
                        "InstanceType": "ml.c5.large",
                        "EnvironmentParameterRanges": {
                            "CategoricalParameterRanges": [{"Name": "A", "Value": ["1"]}] * 2
                        },
                    }
                ]
            },
            "A is there twice",
        ),
    ],
)
def test_faults(config: dict[str, Any], expected: str) -> None:
    [fault] = faults(config, PRICES)
    assert expected in fault


def test_prices_without_a_type_to_try() -> None:
    """A job that is to choose says so at once."""
    [fault] = faults({}, Prices({"local": 1}, 0.25))
    assert "prices.json has no instance type to try" in fault
    assert not list(
        faults({"EndpointConfigurations": [{"InstanceType": "local"}]}, Prices({"local": 1}, 0.25))
    )


def test_costs() -> None:
    """Of an instance that is always busy; a serverless one costs what it works."""
    busy = Benchmark("e", 0.6, "ml.c5.large", result=Result(100, 10.0, 1, 5.0, meets=True))
    assert busy.cost_per_hour == 0.6
    assert busy.cost_per_inference == pytest.approx(0.6 / 60 / 100)
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    paid = Benchmark("e", 0.25, "", serverless, result=Result(100, 10.0, 1, 5.0, meets=True))
    assert paid.cost_per_inference == pytest.approx(0.25 * 2 * 0.005)
    assert paid.cost_per_hour == pytest.approx(0.25 * 2 * 0.005 * 6000)
    assert Benchmark("e", 0.6, "ml.c5.large").cost_per_inference is None
