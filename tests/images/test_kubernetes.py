"""The pods of deploy/kubernetes, run by Docker: there is no cluster here, and no kubelet."""

from __future__ import annotations

import copy
import json
import os
import tarfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.images.pod import Pod, torch_variables, xgboost_variables
from tests.kubernetes.manifests import one, pods
from tests.local.render.kubernetes.requests import HOSTS
from tests.object_store import ObjectStore, serving_objects
from tests.train.programs import LEARNING

from mlberth_local.render.kubernetes.renderer import render
from mlberth_local.render.request_files import read_requests

PROJECT = ROOT / "tests/projects/four_functions"
TRAIN = """
import json, pathlib, time
import mlberth

job = mlberth.environment()
rows = pathlib.Path("/opt/ml/input/data/train/iris.csv").read_text().splitlines()
saved = pathlib.Path("/opt/ml/checkpoints/step")
step = int(saved.read_text()) if saved.exists() else 0
saved.write_text(str(step + 1))
pathlib.Path("/opt/ml/output/data/log.txt").write_text("it was here")
if step == 0:
    raise SystemExit(7)
model = {"rows": len(rows), "step": step, "depth": job.hyperparameters["max_depth"]}
pathlib.Path("/opt/ml/model/model.json").write_text(json.dumps(model))
"""
WHO = """
import json, pathlib
import mlberth

hosts = mlberth.environment().hosts
rows = sorted(path.name for path in pathlib.Path("/opt/ml/input/data/train").iterdir())
print("I have", json.dumps([hosts.rank, hosts.current, rows]))
pathlib.Path("/opt/ml/model/host").write_text(hosts.current)
"""
long = pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="imports PyTorch four times")


@pytest.fixture
def network(engine: Engine) -> Iterator[str]:
    """Return a network of the engine's, on which pods find one another."""
    name = f"mlberth-tests-{uuid.uuid4().hex[:8]}"
    engine.command("network", "create", name)
    yield name
    engine.remove_all()
    engine.command("network", "rm", name)


@pytest.fixture
def store(engine: Engine, network: str) -> Iterator[ObjectStore]:
    """Serve a bucket, on this machine's address in the network of the pods."""
    gateway = engine.command("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network)
    with serving_objects(gateway.stdout.strip()) as serving:
        yield serving


def keys(store: ObjectStore) -> dict[str, dict[str, str]]:
    """Return the Secret that the manifests name."""
    return {"object-store": {**store.environ, "AWS_EC2_METADATA_DISABLED": "true"}}


def put_archive(store: ObjectStore, key: str) -> None:
    """Store a model with its handler."""
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for path in sorted(PROJECT.iterdir()):
            archive.add(path, path.name)
    store.client().put_object(Bucket="bucket", Key=key, Body=body.getvalue())


def archive_of(store: ObjectStore, key: str) -> dict[str, str]:
    """Return the files of an archive in the bucket."""
    with tarfile.open(fileobj=BytesIO(store.read(key))) as archive:
        return {
            name: archive.extractfile(name).read().decode()  # type: ignore[union-attr]
            for name in archive.getnames()
        }


def set_variable(container: dict[str, Any], name: str, value: str) -> None:
    """Change a variable of a container, as its user does."""
    (entry,) = [entry for entry in container["env"] if entry["name"] == name]
    entry["value"] = value


def build(engine: Engine, folder: Path, base: str, program: str) -> str:
    """Return the name of an image with a program, FROM one of ours."""
    folder.mkdir()
    (folder / "train.py").write_text(program)
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY train.py /opt/ml/code/\n")
    return engine.build(folder, f"mlberth-tests/iris:{uuid.uuid4().hex[:8]}")


def invoke(port: int) -> str:
    """Return the prediction for one flower."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", b"5.1,3.5,1.4,0.2", {"Content-Type": "text/csv"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def test_server(engine: Engine, image: Image, network: str, store: ObjectStore, tmp_path: Path) -> None:
    """The init container unpacks the model; the server answers probes and requests, and ends in time."""
    (manifest,) = pods(copy.deepcopy(one("serve/deployment.yaml", "Deployment")))
    put_archive(store, "iris/model.tar.gz")
    set_variable(manifest["spec"]["initContainers"][0], "MODEL_URL", "s3://bucket/iris/model.tar.gz")
    images = {"mlberth-serve": image("serve", "sklearn")}
    pod = Pod(engine, manifest, tmp_path, images, network, secrets=keys(store))
    pod.run_init_containers()
    assert (pod.volume("model") / "code/inference.py").exists()
    server = pod.start()
    pod.wait_ready(server)
    assert pod.is_ready("livenessProbe")
    assert "51.0;35.0;14.0;2.0" in invoke(pod.port)
    begun = time.monotonic()
    assert pod.stop(server) == 0, server.logs()
    assert time.monotonic() - begun > 5, "preStop goes first"


def test_runtime_of_kserve(engine: Engine, image: Image, network: str, tmp_path: Path) -> None:
    """The model is where KServe mounts it, and the container is the one that the runtime describes."""
    (manifest,) = pods(copy.deepcopy(one("kserve/runtime.yaml", "ClusterServingRuntime")))
    (container,) = manifest["spec"]["containers"]
    # What KServe adds: the volume into which its own init container has put the model.
    container["volumeMounts"].append({"name": "model", "mountPath": "/mnt/models", "readOnly": True})
    manifest["spec"]["volumes"].append({"name": "model", "emptyDir": {}})
    images = {container["image"]: image("serve", "sklearn")}
    pod = Pod(engine, manifest, tmp_path, images, network)
    for path in (PROJECT / "scale.json", PROJECT / "code/inference.py"):
        target = pod.volume("model") / path.relative_to(PROJECT)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    server = pod.start()
    pod.wait_ready(server)
    assert "51.0;35.0;14.0;2.0" in invoke(pod.port)
    assert pod.stop(server) == 0, server.logs()


def test_job(engine: Engine, image: Image, network: str, store: ObjectStore, tmp_path: Path) -> None:
    """Data in, the model out; what failed leaves its output, and goes on from its checkpoint."""
    (manifest,) = pods(one("train/job.yaml", "Job"))
    built = build(engine, tmp_path / "image", image("train", "base"), TRAIN)
    store.client().put_object(Bucket="bucket", Key="iris/train/iris.csv", Body=b"1\n2\n3\n")
    config = {"iris-train": one("train/job.yaml", "ConfigMap")["data"]}
    volumes = tmp_path / "volumes"
    for attempt, code in enumerate((7, 0)):
        images = {"registry.example.com/iris-train:1": built}
        folder = volumes / str(attempt)
        pod = Pod(
            engine,
            manifest,
            folder,
            images,
            network,
            name="iris-train-x",
            secrets=keys(store),
            config_maps=config,
        )
        # The claim's volume is the one that stays.
        pod.volume("checkpoints").rmdir()
        (folder / "checkpoints").symlink_to(volumes / "claim")
        (volumes / "claim").mkdir(exist_ok=True)
        (volumes / "claim").chmod(0o777)
        pod.run_init_containers()
        trained = pod.start()
        assert trained.wait() == code, trained.logs()
        listed = store.client().list_objects_v2(Bucket="bucket", Prefix="iris/")["Contents"]
        assert ("iris/model.tar.gz" in {entry["Key"] for entry in listed}) == (code == 0)
        assert archive_of(store, "iris/output.tar.gz")["log.txt"] == "it was here"
    model = json.loads(archive_of(store, "iris/model.tar.gz")["model.json"])
    assert model == {"rows": 3, "step": 1, "depth": 3}


@pytest.mark.parametrize(
    "case",
    [("xgboost", "xgboost"), pytest.param(("torchrun", "torch"), marks=long)],
    ids=["XGBoost", "PyTorch"],
)
def test_two_hosts_of_kubeflow(  # noqa: PLR0917 - fixtures
    engine: Engine, image: Image, network: str, store: ObjectStore, tmp_path: Path, case: tuple[str, str]
) -> None:
    """The runtime's two pods are one job by the variables that Kubeflow Trainer sets; one has the model."""
    name, flavour = case
    (manifest,) = pods(one(f"train/trainer-{name}.yaml", "ClusterTrainingRuntime"))
    job = one(f"train/trainer-{name}.yaml", "TrainJob")
    own = job["metadata"]["name"]
    text = f"{LEARNING[name]}\nopen('/opt/ml/model/model', 'w').write('learnt')\n"
    built = build(engine, tmp_path / "image", image("train", flavour), text)
    store.client().put_object(Bucket="bucket", Key="iris/train/iris.csv", Body=b"1\n")
    (patch,) = job["spec"]["runtimePatches"]
    (replicated,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    (patched,) = replicated["template"]["spec"]["template"]["spec"]["initContainers"]
    for entry in patched["env"]:
        set_variable(manifest["spec"]["initContainers"][0], entry["name"], entry["value"])
    hosts = job["spec"]["trainer"]["numNodes"]
    variables = {entry["name"]: entry["value"] for entry in job["spec"]["trainer"]["env"]}
    running = []
    for index in range(hosts):
        injected = (
            xgboost_variables(own, hosts, index)
            if name == "xgboost"
            else torch_variables(own, hosts, index, job["spec"]["trainer"]["numProcPerNode"])
        )
        pod = Pod(
            engine,
            manifest,
            tmp_path / str(index),
            {job["spec"]["trainer"]["image"]: built},
            network,
            name=f"{own}-node-0-{index}",
            domain=own,
            index=str(index),
            secrets=keys(store),
            injected={**variables, **injected},
        )
        pod.run_init_containers()
        running.append(pod.start())
    codes = [container.wait(120) for container in running]
    assert codes == [0] * hosts, [container.logs() for container in running]
    logs = [container.logs() for container in running]
    assert sum(log.count("predicted ") for log in logs) == 1
    assert archive_of(store, "iris/model.tar.gz") == {"model": "learnt"}
    assert "mlberth push: 1 file" in logs[0]
    assert "mlberth push" not in logs[1]


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="starts two pods more")
def test_rendered_hosts(
    engine: Engine, image: Image, network: str, store: ObjectStore, tmp_path: Path
) -> None:
    """The pods of a rendered request know their places, share the objects, and leave one model."""
    (manifest,) = pods(rendered_hosts("JobSet"))
    jobset, config = rendered_hosts("JobSet"), rendered_hosts("ConfigMap")
    own, label = jobset["metadata"]["name"], jobset["spec"]["replicatedJobs"][0]["name"]
    built = build(engine, tmp_path / "image", image("train", "base"), WHO)
    for name in "abc":
        store.client().put_object(Bucket="bucket", Key=f"iris/train/{name}", Body=b"1")
    running = []
    for index in (0, 1):
        pod = Pod(
            engine,
            manifest,
            tmp_path / str(index),
            {manifest["spec"]["containers"][0]["image"]: built},
            network,
            name=f"{own}-{label}-0-{index}",
            domain=own,
            index=str(index),
            secrets=keys(store),
            config_maps={own: config["data"]},
        )
        pod.run_init_containers()
        running.append(pod.start())
    codes = [container.wait(120) for container in running]
    logs = [container.logs() for container in running]
    assert codes == [0, 0], logs
    names = [f"{own}-{label}-0-{index}.{own}" for index in (0, 1)]
    assert f"I have {json.dumps([0, names[0], ['a', 'c']])}" in logs[0]
    assert f"I have {json.dumps([1, names[1], ['b']])}" in logs[1]
    assert archive_of(store, f"jobs/{own}/output/model.tar.gz") == {"host": names[0]}


def rendered_hosts(kind: str) -> dict[str, Any]:
    """Return a manifest of the request of a job on two hosts."""
    made = render(read_requests(["job.json"], lambda _: json.dumps(HOSTS)))
    (found,) = [one for one in yaml.safe_load_all(made.text) if one["kind"] == kind]
    return dict(found)
