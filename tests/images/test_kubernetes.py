"""The pods of deploy/kubernetes, run by Docker: there is no cluster here, and no kubelet."""

from __future__ import annotations

import copy
import json
import tarfile
import time
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path

from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.images.pod import Pod
from tests.images.pod_objects import archive_of, build, keys, set_variable
from tests.kubernetes.manifests import one, pods
from tests.object_store import ObjectStore
from tests.support import wait_until

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


def model_archive() -> bytes:
    """Return a model with its handler."""
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for path in sorted(PROJECT.iterdir()):
            archive.add(path, path.name)
    return body.getvalue()


def invoke(port: int) -> str:
    """Return the prediction for one flower."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", b"5.1,3.5,1.4,0.2", {"Content-Type": "text/csv"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def scrape(url: str) -> str:
    """Return a page of metrics; "" as long as the process that makes it starts."""
    try:
        with urllib.request.urlopen(url, timeout=30) as page:
            return str(page.read(), "utf-8")
    except urllib.error.HTTPError:
        return ""


def test_server(
    engine: Engine, image: Image, pod_network: str, pod_store: ObjectStore, tmp_path: Path
) -> None:
    """The init container unpacks the model; the server answers probes and requests, and ends in time."""
    (manifest,) = pods(copy.deepcopy(one("serve/deployment.yaml", "Deployment")))
    pod_store.client().put_object(Bucket="bucket", Key="iris/model.tar.gz", Body=model_archive())
    set_variable(manifest["spec"]["initContainers"][0], "MODEL_URL", "s3://bucket/iris/model.tar.gz")
    images = {"mlberth-serve": image("serve", "sklearn")}
    pod = Pod(engine, manifest, tmp_path, images, pod_network, secrets=keys(pod_store))
    pod.run_init_containers()
    assert (pod.volume("model") / "code/inference.py").exists()
    server = pod.start()
    pod.wait_ready(server)
    assert pod.is_ready("livenessProbe")
    assert "51.0;35.0;14.0;2.0" in invoke(pod.port)
    (signal,) = one("serve/autoscaler.yaml", "HorizontalPodAutoscaler")["spec"]["metrics"]
    path = manifest["metadata"]["annotations"]["prometheus.io/path"]
    metric = signal["pods"]["metric"]["name"]
    wait_until(lambda: f"\n{metric} " in scrape(f"http://127.0.0.1:{pod.port}{path}"))
    begun = time.monotonic()
    assert pod.stop(server) == 0, server.logs()
    assert time.monotonic() - begun > 5, "preStop goes first"


def test_runtime_of_kserve(engine: Engine, image: Image, pod_network: str, tmp_path: Path) -> None:
    """The model is where KServe mounts it, and the container is the one that the runtime describes."""
    (manifest,) = pods(copy.deepcopy(one("kserve/runtime.yaml", "ClusterServingRuntime")))
    (container,) = manifest["spec"]["containers"]
    # What KServe adds: the volume into which its own init container has put the model.
    container["volumeMounts"].append({"name": "model", "mountPath": "/mnt/models", "readOnly": True})
    manifest["spec"]["volumes"].append({"name": "model", "emptyDir": {}})
    images = {container["image"]: image("serve", "sklearn")}
    pod = Pod(engine, manifest, tmp_path, images, pod_network)
    for path in (PROJECT / "scale.json", PROJECT / "code/inference.py"):
        target = pod.volume("model") / path.relative_to(PROJECT)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    server = pod.start()
    pod.wait_ready(server)
    assert pod.is_ready("livenessProbe")
    assert "51.0;35.0;14.0;2.0" in invoke(pod.port)
    assert pod.stop(server) == 0, server.logs()


def test_job(engine: Engine, image: Image, pod_network: str, pod_store: ObjectStore, tmp_path: Path) -> None:
    """Data in, the model out; what failed leaves its output, and goes on from its checkpoint."""
    (manifest,) = pods(one("train/job.yaml", "Job"))
    built = build(engine, tmp_path / "image", image("train", "base"), TRAIN)
    pod_store.client().put_object(Bucket="bucket", Key="iris/train/iris.csv", Body=b"1\n2\n3\n")
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
            pod_network,
            name="iris-train-x",
            secrets=keys(pod_store),
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
        listed = pod_store.client().list_objects_v2(Bucket="bucket", Prefix="iris/")["Contents"]
        assert ("iris/model.tar.gz" in {entry["Key"] for entry in listed}) == (code == 0)
        assert archive_of(pod_store, "iris/output.tar.gz")["log.txt"] == b"it was here"
    model = json.loads(archive_of(pod_store, "iris/model.tar.gz")["model.json"])
    assert model == {"rows": 3, "step": 1, "depth": 3}
