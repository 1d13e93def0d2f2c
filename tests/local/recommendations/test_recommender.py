"""Tests of recommendation jobs, with a model of scikit-learn in real model servers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.local.recommendations.recommendation_platform import RecommendationPlatform
from tests.support import wait_until

from mlberth_local.errors import ServiceError, ValidationError

PRICE = 0.36
JOBS = "InferenceRecommendationsJobs"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[RecommendationPlatform]:
    """Return a platform with a model `m` that starts fast, and a price of its own."""
    with closing(RecommendationPlatform(tmp_path)) as made:
        (tmp_path / "prices.json").write_text(json.dumps({"instance_per_hour": {"ml.m5.large": PRICE}}))
        made.model("m")
        yield made


def test_a_job_measures_a_model(platform: RecommendationPlatform) -> None:
    """Each figure follows from the load, and each list has the job."""
    platform.sklearn_model("sklearn")
    job = platform.run(platform.request("job", "sklearn", platform.samples("1", "-1")))
    assert (job["Status"], job["JobType"]) == ("COMPLETED", "Advanced"), job.get("FailureReason")
    assert job["CompletionTime"] >= job["CreationTime"]
    [found] = job["InferenceRecommendations"]
    assert found["EndpointConfiguration"]["InstanceType"] == "ml.m5.large"
    assert found["InvocationEndTime"] > found["InvocationStartTime"] + 0.9
    metrics = found["Metrics"]
    assert metrics["CostPerHour"] == PRICE
    assert metrics["CostPerInference"] == pytest.approx(PRICE / 60 / metrics["MaxInvocations"])
    assert metrics["MaxInvocations"] >= 60
    assert metrics["ModelLatency"] >= 1
    assert 0 < metrics["CpuUtilization"] <= 400
    assert 0 < metrics["MemoryUtilization"] < 100
    [step] = platform.steps("job")
    assert (step["Status"], step["InferenceBenchmark"]["Metrics"]) == ("COMPLETED", metrics)
    [listed] = platform.call("ListInferenceRecommendationsJobs", ModelNameEquals="sklearn")[JOBS]
    assert (listed["JobName"], listed["Status"]) == ("job", "COMPLETED")
    assert platform.call("ListInferenceRecommendationsJobs", ModelNameEquals="x") == {JOBS: []}
    assert any("1 at a time: " in line for line in platform.log("job"))


def test_a_serverless_instance_holds_a_latency(platform: RecommendationPlatform) -> None:
    """Users double, to as many as it takes; then the rate is tried at which nobody waits for an answer."""
    config = [{"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 3}}]
    request = platform.request("job", "m", platform.samples("1"), EndpointConfigurations=config)
    del request["InputConfig"]["TrafficPattern"]
    threshold = {"ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 5000}]}
    job = platform.run(request, StoppingConditions={**threshold, "FlatInvocations": "Continue"})
    assert job["Status"] == "COMPLETED", job.get("FailureReason")
    [found] = job["InferenceRecommendations"]
    assert found["EndpointConfiguration"]["ServerlessConfig"] == config[0]["ServerlessConfig"]
    metrics = found["Metrics"]
    assert metrics["ModelLatency"] <= 5000
    assert metrics["ModelSetupTime"] > 0
    an_hour = metrics["CostPerInference"] * metrics["MaxInvocations"] * 60
    assert metrics["CostPerHour"] == pytest.approx(an_hour)
    lines = platform.log("job")
    users = [line.partition(" MB: ")[2].split()[0] for line in lines if " at a time: " in line]
    assert users == ["1", "2", "3"]
    assert any(": paced at " in line for line in lines)


def test_a_latency_that_nothing_holds(platform: RecommendationPlatform) -> None:
    """The job fails, and says what came nearest; its steps have what was measured."""
    slow = "def model_fn(d): return 1\nimport time\ndef predict_fn(x, m): time.sleep(0.05); return x\n"
    platform.model("slow", slow)
    threshold = {"ModelLatencyThresholds": [{"ValueInMilliseconds": 20}]}
    job = platform.run(platform.request("job", "slow", platform.samples("1")), StoppingConditions=threshold)
    assert job["Status"] == "FAILED"
    assert "no configuration holds P95 at 20 ms; the nearest is ml.m5.large, with " in job["FailureReason"]
    assert "InferenceRecommendations" not in job
    [step] = platform.steps("job")
    assert step["InferenceBenchmark"]["Metrics"]["ModelLatency"] >= 50


def test_a_sample_that_the_model_refuses(platform: RecommendationPlatform) -> None:
    """The reason has the model's status and words, and no other configuration is tried."""
    picky = "def model_fn(d): return 1\ndef predict_fn(x, m): return [1 / float(x[0][0])]\n"
    platform.model("picky", picky)
    config = [{"InstanceType": "ml.m5.large"}] * 2
    request = platform.request("job", "picky", platform.samples("1", "0"), EndpointConfigurations=config)
    job = platform.run(request)
    assert job["Status"] == "FAILED"
    assert job["FailureReason"].startswith(
        "INVALID_INPUT : 1. Model (owned by the customer in the container) returned 4xx or 5xx error code: "
        "sample 2: 500: "
    )
    assert "predict_fn failed" in job["FailureReason"]
    assert "Its log: /aws/sagemaker/Endpoints/job-" in job["FailureReason"]
    assert [one["Status"] for one in platform.steps("job")] == ["FAILED", "STOPPED"]


def test_a_model_that_does_not_start(platform: RecommendationPlatform) -> None:
    """The step has the platform's words and the last lines; a configuration in which it starts is found."""
    handler = "import os\ndef model_fn(d): return 1 / int(os.environ['N'])\ndef predict_fn(x, m): return x\n"
    platform.model("moody", handler)
    ranges = {"CategoricalParameterRanges": [{"Name": "N", "Value": ["0", "1"]}]}
    config = [{"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": ranges}]
    request = platform.request("job", "moody", platform.samples("1"), EndpointConfigurations=config)
    job = platform.run(request)
    assert job["Status"] == "COMPLETED", job.get("FailureReason")
    [only] = job["InferenceRecommendations"]
    assert only["ModelConfiguration"]["EnvironmentParameters"][0]["Value"] == "1"
    failed, done = platform.steps("job")
    assert platform.steps("job", MaxResults=1) == [failed]
    assert platform.steps("job", MaxResults=1, NextToken="1") == [done]
    assert platform.steps("job", Status="COMPLETED") == [done]
    assert failed["Status"] == "FAILED"
    assert "did not pass the ping health check" in failed["InferenceBenchmark"]["FailureReason"]
    assert "ZeroDivisionError" in failed["InferenceBenchmark"]["FailureReason"]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [("s3://bucket/none.tar.gz", "none.tar.gz"), ("s3://bucket/m.txt", "expected a .tar.gz")],
)
def test_samples_that_are_not_there(platform: RecommendationPlatform, samples: str, reason: str) -> None:
    (platform.bucket / "m.txt").write_text("no archive")
    job = platform.run(platform.request("job", "m", samples))
    assert job["Status"] == "FAILED"
    assert job["FailureReason"].startswith(f"ClientError: SamplePayloadUrl {samples}: ")
    assert reason in job["FailureReason"]


def test_stop(platform: RecommendationPlatform) -> None:
    """A job under load ends in seconds, one that waits at once; what has ended cannot be stopped."""
    stairs = {"DurationInSeconds": 600, "NumberOfSteps": 1, "UsersPerStep": 1}
    pattern = {"TrafficPattern": {"TrafficType": "STAIRS", "Stairs": stairs}}
    samples = platform.samples("1")
    for name in ("first", "second"):
        request = platform.request(name, "m", samples, **pattern)
        platform.call("CreateInferenceRecommendationsJob", **request)
    wait_until(lambda: any("ready after" in line for line in platform.log("first")), timeout=60)
    assert platform.call("DescribeInferenceRecommendationsJob", JobName="second")["Status"] == "PENDING"
    platform.call("StopInferenceRecommendationsJob", JobName="second")
    assert platform.call("DescribeInferenceRecommendationsJob", JobName="second")["Status"] == "STOPPED"
    began = time.monotonic()
    platform.call("StopInferenceRecommendationsJob", JobName="first")
    assert platform.finish("first")["Status"] == "STOPPED"
    assert time.monotonic() - began < 60
    assert [one["Status"] for one in platform.steps("first")] == ["STOPPED"]
    with pytest.raises(ValidationError, match="is in status STOPPED"):
        platform.call("StopInferenceRecommendationsJob", JobName="first")


def test_the_time_of_a_job_is_bounded(platform: RecommendationPlatform) -> None:
    """What it has measured by then counts; without anything it has failed."""
    stairs = {"DurationInSeconds": 3, "NumberOfSteps": 1, "UsersPerStep": 1}
    request = platform.request("job", "m", platform.samples("1"), JobDurationInSeconds=3)
    request["InputConfig"]["TrafficPattern"]["Stairs"] = stairs
    job = platform.run(request)
    assert job["Status"] == "FAILED"
    assert job["FailureReason"] == (
        "ClientError: JobDurationInSeconds was over before a configuration was tested"
    )


def test_a_job_goes_on_after_a_kill(tmp_path: Path) -> None:
    """The test that was under load is made again, and nothing of the killed one is left."""
    module = "tests.local.recommendations.killed_daemon"
    killed = subprocess.run(
        [sys.executable, "-m", module, str(tmp_path)], check=False, timeout=180, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with closing(RecommendationPlatform(tmp_path)) as platform:
        job = platform.finish("j")
        assert job["Status"] == "COMPLETED", job.get("FailureReason")
        costs = [one["Metrics"]["CostPerInference"] for one in job["InferenceRecommendations"]]
        assert len(costs) == 2
        assert costs == sorted(costs)
        assert sum("starting" in line for line in platform.log("j")) == 3


@pytest.mark.parametrize(
    ("config", "members", "message"),
    [
        ({"ModelName": "none"}, {}, 'Could not find model ".*model/none"'),
        ({"ContainerConfig": {}}, {}, "ContainerConfig.PayloadConfig.SamplePayloadUrl is required"),
        (
            {
                "ContainerConfig": {
                    "PayloadConfig": {"SamplePayloadUrl": "s3://b/k", "SupportedContentTypes": ["a/b\r"]},
                    "SupportedResponseMIMETypes": ["é/b"],
                }
            },
            {},
            "SupportedContentTypes: 'a/b.*MIMETypes: 'é/b' is not a media type",
        ),
        ({"JobDurationInSeconds": 18001}, {}, "JobDurationInSeconds: 18001 must be at most 18000"),
        ({"EndpointConfigurations": [{"InstanceType": "ml.x"}]}, {}, "ml.x has no price; add it"),
        ({"TrafficPattern": {"TrafficType": "PHASES"}}, {}, "Phases is required"),
        ({}, {"MaxInvocations": 0}, "MaxInvocations: 0 must be at least 1"),
        (
            {},
            {"ModelLatencyThresholds": [{"Percentile": "P50"}]},
            "'P50' must be .*; .*None must be at least 1",
        ),
    ],
)
def test_requests_that_are_not_valid(
    platform: RecommendationPlatform, config: dict[str, Any], members: dict[str, Any], message: str
) -> None:
    """Nothing is started, and all faults are in one message."""
    request = platform.request("job", "m", "s3://bucket/samples.tar.gz", **config)
    with pytest.raises(ValidationError, match=message):
        platform.call("CreateInferenceRecommendationsJob", **request, StoppingConditions=members)
    with pytest.raises(ServiceError, match="Could not find requested job") as missing:
        platform.call("DescribeInferenceRecommendationsJob", JobName="job")
    assert missing.value.code == "ResourceNotFound"


def test_a_name_is_taken_once(platform: RecommendationPlatform) -> None:
    request = platform.request("job", "m", "s3://bucket/none.tar.gz")
    platform.run(request)
    with pytest.raises(ServiceError, match="Job name must be unique") as taken:
        platform.call("CreateInferenceRecommendationsJob", **request)
    assert taken.value.code == "ResourceInUse"
