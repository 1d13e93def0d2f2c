"""The manifests on the cluster of KUBECONFIG (`make test-kubernetes`), in a namespace of their own."""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from tests.kubernetes.manifests import DEPLOY, FILES, ROOT, Manifest, one, pods, read

REASON = (
    "no KUBECONFIG is set" if not os.environ.get("KUBECONFIG") else "kubectl is not on PATH",
    "MLBERTH_TEST_REGISTRY names no registry with mlberth-train:base and mlberth-serve:sklearn",
)
pytestmark = pytest.mark.skipif(
    not os.environ.get("KUBECONFIG") or shutil.which("kubectl") is None, reason=REASON[0]
)
pulls = pytest.mark.skipif(not os.environ.get("MLBERTH_TEST_REGISTRY"), reason=REASON[1])
REGISTRY = os.environ.get("MLBERTH_TEST_REGISTRY", "")
Kubectl = Callable[..., str]
PROJECT = ROOT / "tests/projects/four_functions"
TRAIN = "import shutil; shutil.copy('/opt/ml/input/data/train/a.csv', '/opt/ml/model/a.csv')"


@pytest.fixture
def kubectl() -> Iterator[Kubectl]:
    """Return a function that runs kubectl in a new namespace."""
    namespace = f"mlberth-tests-{uuid.uuid4().hex[:8]}"

    def run(*arguments: str, documents: list[Manifest] | None = None) -> str:
        argv = ["kubectl", "--namespace", namespace, *arguments]
        text = (
            None
            if documents is None
            else json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        )
        done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("create", "namespace", namespace)
    yield run
    run("delete", "namespace", namespace, "--wait=false")


def files(name: str, contents: dict[str, bytes]) -> Manifest:
    """Return a ConfigMap with some files."""
    data = {file: base64.b64encode(body).decode() for file, body in contents.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": data}


def mount(document: Manifest, name: str, path: str) -> Any:
    """Mount a ConfigMap in every container of a document's pod; returns the pod's spec."""
    (pod,) = pods(document)
    pod["spec"]["volumes"].append({"name": name, "configMap": {"name": name}})
    for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
        container["volumeMounts"].append({"name": name, "mountPath": path, "readOnly": True})
    return pod["spec"]


@pytest.mark.parametrize("name", FILES)
def test_the_server_takes_it(name: str, kubectl: Kubectl) -> None:
    """Admission, defaults and CRDs are the cluster's; nothing is kept."""
    known = kubectl("api-resources", "--output=name")
    groups = {document["apiVersion"].partition("/")[0] for document in read(name)} - {"v1", "apps", "batch"}
    if missing := [group for group in groups if "." in group and f".{group}" not in known]:
        pytest.skip(f"the cluster has no {', '.join(missing)}")
    kubectl("apply", "--dry-run=server", "--filename", str(DEPLOY / name))


@pulls
def test_server(kubectl: Kubectl) -> None:
    """The Deployment becomes ready, and its pods end by themselves."""
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for path in sorted(PROJECT.iterdir()):
            archive.add(path, path.name)
    deployment = copy.deepcopy(one("serve/deployment.yaml", "Deployment"))
    spec = mount(deployment, "archive", "/archive")
    for container in (*spec["initContainers"], *spec["containers"]):
        container["image"] = f"{REGISTRY}/mlberth-serve:sklearn"
    spec["initContainers"][0]["env"][0]["value"] = "file:///archive/model.tar.gz"
    archive_map = files("archive", {"model.tar.gz": body.getvalue()})
    kubectl("apply", "--filename=-", documents=[archive_map, deployment, *read("serve/service.yaml")])
    kubectl("rollout", "status", "deployment/iris", "--timeout=5m")
    kubectl("delete", "deployment/iris", "--wait", "--timeout=2m")


@pulls
def test_job(kubectl: Kubectl) -> None:
    """The Job completes, and its log says what was pushed."""
    documents = copy.deepcopy(read("train/job.yaml"))
    (job,) = [document for document in documents if document["kind"] == "Job"]
    spec = mount(job, "project", "/project")
    (fetch,), (node,) = spec["initContainers"], spec["containers"]
    fetch["image"] = node["image"] = f"{REGISTRY}/mlberth-train:base"
    fetch["args"] = ["mlberth", "fetch", "file:///project/a.csv", "/opt/ml/input/data/train"]
    node["args"] = ["mlberth", "push", "/opt/ml/model", "/tmp/pushed/model.tar.gz", "--", "train"]
    node["env"] += [
        {"name": "SAGEMAKER_SUBMIT_DIRECTORY", "value": "/project/train.py"},
        {"name": "SAGEMAKER_PROGRAM", "value": "train.py"},
    ]
    spec["volumes"].append({"name": "code", "emptyDir": {}})
    node["volumeMounts"].append({"name": "code", "mountPath": "/opt/ml/code"})
    project = files("project", {"a.csv": b"1\n", "train.py": TRAIN.encode()})
    kubectl("apply", "--filename=-", documents=[project, *documents])
    kubectl("wait", "--for=condition=complete", "job/iris-train", "--timeout=5m")
    assert "mlberth push: 1 file of /opt/ml/model" in kubectl("logs", "job/iris-train")
