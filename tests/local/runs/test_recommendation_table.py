"""Tests of the table of a recommendations job."""

from __future__ import annotations

from typing import Any

from mlberth_local.runs.recommendation_table import lines

HEAD = "CONFIGURATION P99 MS PER MINUTE PER HOUR PER MILLION CPU % MEMORY % RESULT"


def step(name: str, status: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    """Return a step of a job."""
    size = {"ServerlessConfig": {"MemorySizeInMB": 1024}} if name == "s" else {"InstanceType": "ml.c5.large"}
    benchmark = {"EndpointConfiguration": {"EndpointName": name, **size}, "ModelConfiguration": {}, **more}
    return {"Status": status, "InferenceBenchmark": benchmark}


def metrics(**more: float) -> dict[str, Any]:
    """Return the metrics of a step."""
    return {
        "Metrics": {
            "CostPerHour": 0.6,
            "CostPerInference": 1e-5,
            "MaxInvocations": 1000,
            "ModelLatency": 9,
            **more,
        }
    }


def test_each_configuration_has_a_row() -> None:
    """It says what has become of it; what is not known is a dash."""
    environment = {"EnvironmentParameters": [{"Key": "A", "ValueType": "String", "Value": "1"}]}
    steps = [
        step("a", **metrics(CpuUtilization=99.6, MemoryUtilization=1.25), ModelConfiguration=environment),
        step("s", **metrics()),
        step("b", **metrics(ModelLatency=70)),
        step("c", "FAILED", FailureReason="it did not start\nlast line"),
        step("d", "STOPPED"),
    ]
    threshold = {"ModelLatencyThresholds": [{"Percentile": "P99", "ValueInMilliseconds": 50}]}
    best = [steps[1]["InferenceBenchmark"], steps[0]["InferenceBenchmark"]]
    job = {"StoppingConditions": threshold, "InferenceRecommendations": best}
    head, *rows, empty, name, cost, why = lines(job, steps)
    assert head.split() == [
        "CONFIGURATION",
        "P99",
        "MS",
        "PER",
        "MINUTE",
        "PER",
        "HOUR",
        "PER",
        "MILLION",
        "CPU",
        "%",
        "MEMORY",
        "%",
        "RESULT",
    ]
    assert [row.split() for row in rows] == [
        ["ml.c5.large", "A=1", "9", "1000", "0.600", "10.000", "100", "1.2", "holds"],
        ["serverless", "1024", "MB", "9", "1000", "0.600", "10.000", "-", "-", "cheapest"],
        ["ml.c5.large", "70", "1000", "0.600", "10.000", "-", "-", "does", "not", "hold"],
        ["ml.c5.large", *["-"] * 6, "failed:", "it", "did", "not", "start"],
        ["ml.c5.large", *["-"] * 6, "stopped"],
    ]
    assert (
        len(
            {
                row.index(word)
                for row, word in zip(rows, ["holds", "cheap", "does", "failed", "stop"], strict=True)
            }
        )
        == 1
    )
    assert not empty
    assert name == "Cheapest: serverless 1024 MB"
    assert "cost 10.000" in cost
    assert "1000 a minute at a P99 of 9 ms" in cost
    assert why.startswith("Of 2 configurations that hold P99 at 50 ms, its requests cost least.")


def test_nothing_to_recommend() -> None:
    assert len(list(lines({}, [step("a", **metrics())]))) == 2
