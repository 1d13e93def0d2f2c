"""A load test for each feature of endpoints but deployments. Each makes its endpoint, and deletes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import count, cycle, pairwise
from typing import Any

from bench import scaling
from bench.endpoints.measured import STREAM, Figures, Pace, ended, load, variant
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, create, instances_of, make_model, wait
from tests.local.end_to_end.many_models import ask, serve_many, upload
from tests.support import wait_until

MODEL, TOKENS = "sums", "tokens"
SERVER = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_USE_NGINX": "true"}
HANDLER = """
def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, model):
    return text

def output_fn(text, accept):
    return text, "text/csv"
"""
STREAMED = """
from mlberth_serve import json_lines

def model_fn(model_dir):
    return None

async def predict_fn(rows, model):
    for _ in range(10):
        yield 1

def output_fn(parts, accept):
    return json_lines(parts)
"""
_SECONDS = 120.0
_MOST_ASYNCHRONOUS = 25.0
"""Asynchronous requests a second: each is written down, and its answer is an object."""
Feature = Callable[[Daemon, Pace], Figures]


def prepare_models(daemon: Daemon) -> None:
    """Make the models that the features need."""
    make_model(daemon, MODEL, HANDLER, **SERVER)
    make_model(daemon, TOKENS, STREAMED, **SERVER)


def plain(daemon: Daemon, pace: Pace) -> Figures:
    """Ask one variant."""
    create(daemon, "plain", variant(MODEL))
    return ended(daemon, "plain", load(daemon, "plain", pace))


def weights(daemon: Daemon, pace: Pace) -> Figures:
    """Ask two variants, whose weights change."""
    create(daemon, "weights", variant(MODEL, "a"), variant(MODEL, "b"))
    turns = cycle(((1.0, 3.0), (3.0, 1.0)))

    def change() -> None:
        wanted = [
            {"VariantName": name, "DesiredWeight": weight}
            for name, weight in zip("ab", next(turns), strict=True)
        ]
        _scale(daemon, "weights", wanted)

    return ended(daemon, "weights", load(daemon, "weights", pace, change))


def instances(daemon: Daemon, pace: Pace) -> Figures:
    """Ask one variant, which has one instance and three in turn."""
    create(daemon, "instances", variant(MODEL))
    turns = cycle((3, 1))

    def change() -> None:
        _scale(daemon, "instances", [{"VariantName": "AllTraffic", "DesiredInstanceCount": next(turns)}])

    return ended(daemon, "instances", load(daemon, "instances", pace, change))


def _scale(daemon: Daemon, endpoint: str, wanted: list[dict[str, Any]]) -> None:
    client(daemon, "sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=wanted
    )
    wait(daemon, endpoint, "endpoint_in_service")


def automatic(daemon: Daemon, minute: float) -> Figures:
    """Send the load of `bench.scaling`, which rises and falls; a minute of scaling has `minute` seconds."""
    create(daemon, "served", variant(MODEL, InitialInstanceCount=1))
    scaling.scale(daemon, scaling.INSTANCE_RATE * minute)
    samples, answers, _ = scaling.run(daemon, minute)
    times = sorted(one.seconds * 1000 for one in answers)
    failed = sum(bool(one.failure) for one in answers)
    changes = sum(a.instances != b.instances for a, b in pairwise(samples))
    found = Figures(len(times), failed, times[len(times) // 2], times[int(len(times) * 0.99)], changes)
    return ended(daemon, "served", found)


def pipeline(daemon: Daemon, pace: Pace) -> Figures:
    """Ask a pipeline of three containers."""
    sagemaker = client(daemon, "sagemaker")
    model = sagemaker.describe_model(ModelName=MODEL)
    role = model["ExecutionRoleArn"]
    containers = [model["PrimaryContainer"]] * 3
    sagemaker.create_model(ModelName="pipeline", Containers=containers, ExecutionRoleArn=role)
    create(daemon, "pipeline", variant("pipeline", InitialInstanceCount=1))
    return ended(daemon, "pipeline", load(daemon, "pipeline", pace))


def shadow(daemon: Daemon, pace: Pace) -> Figures:
    """Ask a variant with a shadow that gets a copy of every request."""
    create(daemon, "copied", variant(MODEL), ShadowProductionVariants=[variant(MODEL, "shadow")])
    return ended(daemon, "copied", load(daemon, "copied", pace))


def stream(daemon: Daemon, pace: Pace) -> Figures:
    """Ask for streamed responses of ten parts."""
    create(daemon, "streamed", variant(TOKENS))
    return ended(daemon, "streamed", load(daemon, "streamed", pace, operation=STREAM))


def models(daemon: Daemon, pace: Pace) -> Figures:
    """Ask one model of a multi-model endpoint, while others are loaded by their first requests."""
    serve_many(daemon)
    upload(daemon, "m0")
    ask(daemon, "m0")
    names = (f"m{number}" for number in count(1))

    def change() -> None:
        name = next(names)
        upload(daemon, name)
        assert ask(daemon, name) == name

    target = "X-Amzn-SageMaker-Target-Model: m0.tar.gz"
    return ended(daemon, "many", load(daemon, "many", pace, change, headers=[target]))


def capture(daemon: Daemon, pace: Pace) -> Figures:
    """Ask a variant whose requests and answers are all kept."""
    create(
        daemon,
        "kept",
        variant(MODEL),
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://models/kept",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    return ended(daemon, "kept", load(daemon, "kept", pace))


def serverless(daemon: Daemon, pace: Pace) -> Figures:
    """Ask a serverless variant that sleeps when the load begins."""
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 200}
    one = {"VariantName": "AllTraffic", "ModelName": MODEL, "ServerlessConfig": config}
    create(daemon, "rare", one)
    wait_until(lambda: not instances_of(daemon, "rare"), timeout=_SECONDS)
    return ended(daemon, "rare", load(daemon, "rare", pace))


def asynchronous(daemon: Daemon, pace: Pace) -> Figures:
    """Send asynchronous requests: the times are those until the answer is an object."""
    path, rate = "s3://models/answers", min(pace.rate, _MOST_ASYNCHRONOUS)
    create(
        daemon,
        "later",
        variant(MODEL),
        AsyncInferenceConfig={
            "OutputConfig": {"S3OutputPath": path},
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        },
    )
    runtime, sent = client(daemon, "sagemaker-runtime"), dict[str, float]()
    began = time.time()
    for number in range(int(rate * pace.seconds)):
        time.sleep(max(0.0, began + number / rate - time.time()))
        asked = time.time()
        answer = runtime.invoke_endpoint_async(EndpointName="later", Body=b"1", ContentType="text/csv")
        sent[answer["OutputLocation"].removeprefix("s3://")] = asked
    # An object is a file, whose time is that of the answer.
    files = {daemon.home / "s3" / key: asked for key, asked in sent.items()}
    until = time.monotonic() + _SECONDS
    wait_until(lambda: all(file.exists() for file in files) or time.monotonic() > until, timeout=2 * _SECONDS)
    times = sorted(1000 * (file.stat().st_mtime - asked) for file, asked in files.items() if file.exists())
    found = Figures(
        len(files), len(files) - len(times), times[len(times) // 2], times[int(len(times) * 0.99)]
    )
    return ended(daemon, "later", found)


FEATURES: Mapping[str, Feature] = {
    "one variant, two instances": plain,
    "two variants, their weights changed": weights,
    "one instance and three, in turn": instances,
    "a pipeline of three containers": pipeline,
    "a shadow with a copy of all": shadow,
    "streamed responses": stream,
    "one of several models, others loaded": models,
    "data capture of all": capture,
    "asynchronous requests": asynchronous,
    "serverless, asleep at first": serverless,
}
