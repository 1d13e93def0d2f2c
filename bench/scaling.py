"""Show automatic scaling: an endpoint under a load that rises and falls, and how many instances it has.

python -m bench.scaling [MINUTE_SECONDS]: how long a minute of scaling is; 60 is that of the platform, and
takes an hour and a quarter. Prints a table, and writes bench/results/scaling.json and the plot of the page.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.chart import Line, step_chart
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy
from tests.local.end_to_end.paced_load import Answer, PacedLoad

PHASES = ((6, 1), (12, 3), (12, 5), (20, 2), (25, 0.5))
"""Minutes, and the load in them: in as many instances as it needs."""
INSTANCE_RATE = 15.0
"""The requests a second that one instance is to have."""
MOST = 5
_ROOT = Path(__file__).parent.parent
_SAMPLES_A_MINUTE = 4


@dataclass(frozen=True)
class Sample:
    """What there was at one moment: minutes since the start, requests a second, instances in service."""

    minute: float
    rate: float
    instances: int


def main(minute: float = 2.0) -> None:
    """Run the phases, print what came of each, and write results and plot."""
    os.environ["MLBERTH_METRIC_MINUTE_SECONDS"] = str(minute)
    with tempfile.TemporaryDirectory(prefix="bench-scaling-") as folder:
        daemon = Daemon(Path(folder))
        daemon.up()
        try:
            deploy(daemon, "served")
            scale(daemon, INSTANCE_RATE * minute)
            samples, answers, phases = run(daemon, minute)
        finally:
            daemon.run("down")
    figures = [summary(*one) for one in phases]
    failed = sum(bool(one.failure) for one in answers)
    for one in figures:
        print(
            f"{one['minutes']:3d} minutes of {one['rate']:5.1f} requests/s: {one['requests']} answered, "
            f"{one['failed']} failed, p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms, "
            f"{one['instances']} instances at the end"
        )
    print(f"{len(answers)} requests, {failed} failed")
    found = {"minute_seconds": minute, "requests": len(answers), "failed": failed, "phases": figures}
    (_ROOT / "bench/results/scaling.json").write_text(json.dumps(found, indent=1) + "\n")
    (_ROOT / "docs/plots/scaling.svg").write_text(plot(changes(samples)))


def scale(daemon: Daemon, target: float) -> None:
    """Let the endpoint have one to five instances, with so many requests a minute each."""
    scaling = client(daemon, "application-autoscaling")
    variant = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/served/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**variant, MinCapacity=1, MaxCapacity=MOST)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    scaling.put_scaling_policy(
        **variant,
        PolicyName="invocations",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": target,
            "PredefinedMetricSpecification": metric,
        },
    )


Phase = tuple[int, float, list[Answer], int]
"""Minutes, requests a second, the answers, and the instances at the end."""


def run(daemon: Daemon, minute: float) -> tuple[list[Sample], list[Answer], list[Phase]]:
    """Send the load of all phases; returns samples, all answers, and each phase."""
    sagemaker = client(daemon, "sagemaker")
    samples, phases, pause = [], [], threading.Event()
    with PacedLoad(daemon.port, "served", 1) as load:
        for minutes, needed in PHASES:
            # A little below what the instances take, so that they need not be one more.
            load.rate = 0.95 * INSTANCE_RATE * needed
            before, until = len(load.answers), load.elapsed + minutes * minute
            while load.elapsed < until:
                variant: Any = sagemaker.describe_endpoint(EndpointName="served")["ProductionVariants"][0]
                count = variant["CurrentInstanceCount"]
                samples.append(Sample(load.elapsed / minute, load.rate, count))
                pause.wait(minute / _SAMPLES_A_MINUTE)
            phases.append((minutes, load.rate, load.answers[before:], samples[-1].instances))
    return samples, load.answers, phases


def summary(minutes: int, rate: float, answers: list[Answer], instances: int) -> dict[str, Any]:
    """Return the figures of a phase."""
    cuts = quantiles([one.seconds * 1000 for one in answers], n=100)
    return {
        "minutes": minutes,
        "rate": rate,
        "requests": len(answers),
        "failed": sum(bool(one.failure) for one in answers),
        "p50_ms": round(cuts[49], 2),
        "p99_ms": round(cuts[98], 2),
        "instances": instances,
    }


def changes(samples: list[Sample]) -> list[Sample]:
    """Return the samples that are unlike the one before, and the last."""
    found = [
        one
        for before, one in pairwise(samples)
        if (before.rate, before.instances) != (one.rate, one.instances)
    ]
    return [samples[0], *found, samples[-1]]


def plot(samples: list[Sample]) -> str:
    """Return the plot: the load, and the instances below it."""
    load = Line("Requests a second", [(one.minute, one.rate) for one in samples])
    instances = Line("Instances in service", [(one.minute, one.instances) for one in samples])
    return step_chart("Instances follow the load", "Minutes", [load, instances])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
