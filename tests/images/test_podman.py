"""Containers of podman in earnest, where it can run one: jobs of Slurm, and a pod of Kubernetes."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.images.conftest import Image
from tests.images.engine import Engine
from tests.images.test_kubernetes import invoke, model_archive
from tests.kubernetes.manifests import one
from tests.slurm.cluster import Cluster, why_not
from tests.slurm.test_batch import Batch
from tests.support import free_port, wait_until

pytestmark = pytest.mark.skipif(
    os.environ.get("MLBERTH_LONG") != "1", reason="copies an image into another engine"
)
# As few of the kernel's services as podman can do with, in a sandbox too.
_CONTAINERS = """
[containers]
netns = "host"
default_ulimits = []
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""

# Saves for a while, and says which signals have come.
WAIT = """
import json, os, pathlib, signal, time
folder, stops = pathlib.Path(os.environ["FOLDER"]), []
signal.signal(signal.SIGTERM, lambda number, frame: stops.append(number))
(folder / "running").touch()
while not stops:
    time.sleep(0.05)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    time.sleep(0.05)
(folder / "stops").write_text(json.dumps(stops))
"""


@dataclass(frozen=True)
class Podman:
    """podman with a storage of its own, and one image in it."""

    folder: Path
    image: str

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead to it."""
        names = ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
        files = ("containers.conf", "storage.conf")
        return {name: str(self.folder / file) for name, file in zip(names, files, strict=True)}

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `podman ARGUMENT…`."""
        return subprocess.run(
            ["podman", *arguments],
            env=os.environ | self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def load(self, engine: Engine, image: str) -> None:
        """Bring an image of the machine's engine."""
        archive = self.folder / "image.tar"
        engine.command("save", "--output", str(archive), image, timeout=300)
        loaded = self.run("load", "--input", str(archive), timeout=600)
        archive.unlink()
        assert loaded.returncode == 0, loaded.stderr

    def containers(self) -> list[Any]:
        """Return what is there, running or not."""
        return list(json.loads(self.run("ps", "--all", "--format=json").stdout))


@pytest.fixture(scope="module")
def podman(engine: Engine, image: Image) -> Iterator[Podman]:
    """Return podman with a train image, if it can run it here."""
    if not shutil.which("podman"):
        pytest.skip("needs podman")
    # A short path: podman's sockets have a limit.
    folder = Path(tempfile.mkdtemp(prefix="podman-", dir="/tmp"))
    made = Podman(folder, image("train", "base"))
    (folder / "containers.conf").write_text(_CONTAINERS)
    (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
    try:
        made.load(engine, made.image)
        tried = made.run("run", "--rm", "--network=host", made.image, "true")
        if tried.returncode:
            pytest.skip(f"podman cannot run a container here: {tried.stderr.strip()[-500:]}")
        yield made
    finally:
        made.run("rm", "--all", "--force", "--time=0")
        made.run("rmi", "--all", "--force")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Start a cluster of one node."""
    if why := why_not():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    with Cluster.started(folder, nodes=1) as cluster:
        yield cluster
    shutil.rmtree(folder)


def submit(batch: Batch, podman: Podman) -> Batch:
    """Submit deploy/slurm/train.sbatch with the image."""
    return batch.submit("--nodes=1", IMAGE=f"podman:{podman.image}", **podman.environ)


def test_job_runs_in_a_container(cluster: Cluster, podman: Podman) -> None:
    """Its input is fetched inside, and the model brought back."""
    batch = submit(Batch(cluster), podman)
    ended = batch.finish()
    assert (ended["JobState"], ended["ExitCode"]) == ("COMPLETED", "0:0"), batch.log
    assert (batch.model["sum"], batch.model["runs"]) == (6, [0])
    wait_until(lambda: podman.containers() == [], timeout=60)


def test_cancelled_job_saves_in_its_container(cluster: Cluster, podman: Podman) -> None:
    """The program is told once, by Slurm or by podman, and nothing goes on."""
    batch = Batch(cluster)
    (batch.folder / "code/train.py").write_text(WAIT)
    submit(batch, podman)
    wait_until((batch.folder / "running").exists, timeout=120, message=lambda: batch.log)
    cluster.run("scancel", batch.number)
    ended = cluster.end_of(batch.number)
    assert (ended["JobState"], ended["Restarts"]) == ("CANCELLED", "0"), batch.log
    cluster.wait_for_idle()
    assert batch.log.count("The program succeeded") == 1, batch.log
    assert json.loads((batch.folder / "stops").read_text()) == [signal.SIGTERM], batch.log
    # What is left of it, if the test's short KillWait ends podman first, does not run.
    assert [one["Names"] for one in podman.containers() if not one["Exited"]] == []


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """Serve a model with its handler by HTTP; gives its address."""
    (tmp_path / "model.tar.gz").write_bytes(model_archive())
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model.tar.gz"
        server.shutdown()
        thread.join()


def test_pod_of_the_deployment(
    podman: Podman, engine: Engine, image: Image, archive: str, tmp_path: Path
) -> None:
    """`podman kube play` makes of the manifest what a kubelet does, but for a network of the pod's own."""
    name, port = image("serve", "sklearn"), free_port()
    podman.load(engine, name)
    template = copy.deepcopy(one("serve/deployment.yaml", "Deployment"))["spec"]["template"]
    # podman 4.3 starts init containers again and again where a pod's containers are.
    spec = template["spec"] | {"restartPolicy": "Never"}
    metadata = {"name": "iris", "labels": template["metadata"]["labels"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    (fetch,), (server,) = spec["initContainers"], spec["containers"]
    for container in (fetch, server):
        container |= {"image": f"localhost/{name}", "imagePullPolicy": "Never"}
    # podman 4.3 does not put variables into arguments; and here it has no network but the machine's.
    fetch["args"][-2] = archive
    server["env"].append({"name": "SAGEMAKER_BIND_TO_PORT", "value": str(port)})
    del server["ports"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        server[probe]["httpGet"]["port"] = port
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump(pod))
    try:
        played = podman.run("kube", "play", "--network=host", str(file))
        assert played.returncode == 0, played.stderr
        wait_until(lambda: answers(port), timeout=60)
        assert "51.0;35.0;14.0;2.0" in invoke(port)
        [found] = json.loads(podman.run("inspect", "iris-server").stdout)
        assert (found["Config"]["User"], found["HostConfig"]["ReadonlyRootfs"]) == ("10001:10001", True)
        assert found["HostConfig"]["Memory"] > 0
    finally:
        ended = podman.run("kube", "down", str(file))
    assert ended.returncode == 0, ended.stderr
    assert podman.containers() == []


def answers(port: int) -> bool:
    """Return whether a server is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
