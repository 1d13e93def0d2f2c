"""Pods of one job on several hosts, run by Docker with the variables that Kubeflow Trainer sets."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.images.conftest import Image
from tests.images.engine import ROOT, Container, Engine, with_prefix
from tests.images.pod import Pod, torch_variables, xgboost_variables
from tests.images.pod_objects import archive_of, build, keys, set_variable
from tests.kubernetes.manifests import one, pods
from tests.local.render.kubernetes.requests import HOSTS
from tests.object_store import ObjectStore
from tests.support import wait_until
from tests.train.programs import LEARNING

from mlberth_local.render.kubernetes.renderer import render
from mlberth_local.render.request_files import read_requests

WHO = """
import json, pathlib
import mlberth

hosts = mlberth.environment().hosts
rows = sorted(path.name for path in pathlib.Path("/opt/ml/input/data/train").iterdir())
print("I have", json.dumps([hosts.rank, hosts.current, rows]))
pathlib.Path("/opt/ml/model/host").write_text(hosts.current)
"""
LONG = os.environ.get("MLBERTH_LONG") == "1"


def train(  # noqa: PLR0917 - fixtures
    name: str, image: str, engine: Engine, network: str, store: ObjectStore, folder: Path
) -> list[str]:
    """Run a runtime's TrainJob, whose image is this one, to its good end; returns the log of each pod."""
    (manifest,) = pods(one(f"train/trainer-{name}.yaml", "ClusterTrainingRuntime"))
    job = one(f"train/trainer-{name}.yaml", "TrainJob")
    own, trainer = job["metadata"]["name"], job["spec"]["trainer"]
    (patch,) = job["spec"]["runtimePatches"]
    (replicated,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    (patched,) = replicated["template"]["spec"]["template"]["spec"]["initContainers"]
    for entry in patched["env"]:
        set_variable(manifest["spec"]["initContainers"][0], entry["name"], entry["value"])
    hosts = trainer["numNodes"]
    variables = {entry["name"]: entry["value"] for entry in trainer["env"]}
    running: list[Container] = []
    for index in range(hosts):
        injected = (
            xgboost_variables(own, hosts, index)
            if name == "xgboost"
            else torch_variables(own, hosts, index, trainer["numProcPerNode"])
        )
        pod = Pod(
            engine,
            manifest,
            folder / str(index),
            {trainer["image"]: image},
            network,
            name=f"{own}-node-0-{index}",
            domain=own,
            index=str(index),
            secrets=keys(store),
            injected={**variables, **injected},
        )
        pod.run_init_containers()
        running.append(pod.start())
    codes = [container.wait(240) for container in running]
    logs = [container.logs() for container in running]
    assert codes == [0] * hosts, logs
    return logs


@pytest.mark.parametrize(
    "case",
    [
        ("xgboost", "xgboost"),
        pytest.param(
            ("torchrun", "torch"),
            marks=pytest.mark.skipif(not LONG, reason="imports PyTorch four times"),
        ),
    ],
    ids=["XGBoost", "PyTorch"],
)
def test_two_hosts_of_kubeflow(  # noqa: PLR0917 - fixtures
    engine: Engine,
    image: Image,
    pod_network: str,
    pod_store: ObjectStore,
    tmp_path: Path,
    case: tuple[str, str],
) -> None:
    """The runtime's two pods are one job by the variables that Kubeflow Trainer sets; one has the model."""
    name, flavour = case
    text = f"{LEARNING[name]}\nopen('/opt/ml/model/model', 'w').write('learnt')\n"
    built = build(engine, tmp_path / "image", image("train", flavour), text)
    pod_store.client().put_object(Bucket="bucket", Key="iris/train/iris.csv", Body=b"1\n")
    logs = train(name, built, engine, pod_network, pod_store, tmp_path)
    assert sum(log.count("predicted ") for log in logs) == 1
    assert archive_of(pod_store, "iris/model.tar.gz") == {"model": b"learnt"}
    assert "mlberth push: 1 file" in logs[0]
    assert "mlberth push" not in logs[1]


@pytest.mark.skipif(not LONG, reason="installs Open MPI into an image")
def test_two_hosts_of_mpi(
    engine: Engine, image: Image, pod_network: str, pod_store: ObjectStore, tmp_path: Path
) -> None:
    """The image of examples/mpi: four ranks on two pods, without root, ssh or a key; a tenth of its steps."""
    image("train", "base")
    folder = tmp_path / "image"
    shutil.copytree(ROOT / "examples/mpi", folder, ignore=shutil.ignore_patterns("__pycache__"))
    program, dockerfile = folder / "train.py", folder / "Dockerfile"
    program.write_text(program.read_text().replace("STEPS, RATE = 2000", "STEPS, RATE = 200"))
    dockerfile.write_text(with_prefix(dockerfile.read_text()))
    tag = f"mlberth-tests/iris-mpi:{uuid.uuid4().hex[:8]}"
    arguments = ("--quiet", "--network=host", "--label", engine.label, "--tag", tag, str(folder))
    engine.command("build", *arguments, timeout=900)
    rows = (ROOT / "examples/iris/iris.csv").read_bytes()
    pod_store.client().put_object(Bucket="bucket", Key="iris/train/iris.csv", Body=rows)
    logs = train("mpi", tag, engine, pod_network, pod_store, tmp_path)
    # mpirun brings all output to the leader.
    assert [logs[0].count(f"rank {rank} of 4: ") for rank in range(4)] == [1] * 4, logs
    (accuracy,) = [line.partition("=")[2] for line in logs[0].splitlines() if "training:accuracy" in line]
    assert float(accuracy) > 0.8
    assert archive_of(pod_store, "iris/model.tar.gz").keys() == {"weights.npy", "code/inference.py"}


@pytest.mark.skipif(not LONG, reason="starts two pods more")
def test_rendered_hosts(
    engine: Engine, image: Image, pod_network: str, pod_store: ObjectStore, tmp_path: Path
) -> None:
    """The pods of a rendered request know their places, share the objects, and leave one model.

    A pod has its name before its containers run. The first one has done its work when the second begins,
    which still has to find it.
    """
    (manifest,) = pods(rendered_hosts("JobSet"))
    jobset, config = rendered_hosts("JobSet"), rendered_hosts("ConfigMap")
    own, label = jobset["metadata"]["name"], jobset["spec"]["replicatedJobs"][0]["name"]
    base = image("train", "base")
    built = build(engine, tmp_path / "image", base, WHO)
    for name in "abc":
        pod_store.client().put_object(Bucket="bucket", Key=f"iris/train/{name}", Body=b"1")
    first, second = (
        Pod(
            engine,
            manifest,
            tmp_path / str(index),
            {manifest["spec"]["containers"][0]["image"]: built},
            pod_network,
            name=f"{own}-{label}-0-{index}",
            domain=own,
            index=str(index),
            secrets=keys(pod_store),
            config_maps={own: config["data"]},
        )
        for index in (0, 1)
    )
    names = [f"{pod.name}.{own}" for pod in (first, second)]
    known = [f"--network={pod_network}", f"--network-alias={names[1]}", "--entrypoint=sleep"]
    sandbox = engine.start(base, "600", options=known)
    first.run_init_containers()
    running = [first.start()]
    wait_until(lambda: f"this host's name until {names[1]} have found it" in running[0].logs(), timeout=120)
    second.run_init_containers()
    running.append(second.start())
    sandbox.signal("KILL")
    codes = [container.wait(120) for container in running]
    logs = [container.logs() for container in running]
    assert codes == [0, 0], logs
    assert f"I have {json.dumps([0, names[0], ['a', 'c']])}" in logs[0]
    assert f"I have {json.dumps([1, names[1], ['b']])}" in logs[1]
    assert archive_of(pod_store, f"jobs/{own}/output/model.tar.gz") == {"host": names[0].encode()}


def rendered_hosts(kind: str) -> dict[str, Any]:
    """Return a manifest of the request of a job on two hosts."""
    made = render(read_requests(["job.json"], lambda _: json.dumps(HOSTS)))
    (found,) = [one for one in yaml.safe_load_all(made.text) if one["kind"] == kind]
    return dict(found)
