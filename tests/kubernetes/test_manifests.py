"""The files of deploy/kubernetes: by the schemas of their APIs, and by rules that no schema has."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from tests.kubernetes.manifests import (
    DEPLOY,
    FILES,
    FLAVOURS,
    ROOT,
    VERSIONS,
    Manifest,
    check,
    jobs,
    one,
    overlay,
    pods,
    read,
)
from tests.kubernetes.rules import check_rules

from mlberth.errors import ContractError, DependencyError, ModelLoadError
from mlberth_serve.settings import Settings

pytest.importorskip("kubernetes_validate")
TIMEOUT = Settings.from_environ({}).timeout
TRAINER = [name for name in FILES if name.startswith("train/trainer-")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FILES)
def test_manifest_fits_the_schema(name: str, version: str) -> None:
    """Every field is known, and every value has the right type, in old and in new Kubernetes."""
    for document in read(name):
        check(document, version)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavour(flavour: str) -> None:
    """An overlay names its image in every container, and is whole by itself."""
    documents = overlay(flavour)
    for document in documents:
        check(document)
    check_rules(documents)
    images = {
        container["image"]
        for document in documents
        for pod in pods(document)
        for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])
    }
    assert images == {f"registry.example.com/mlberth-serve:{flavour}"}


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("serve/")])
def test_rules(name: str) -> None:
    check_rules(read(name))


def test_all_of_serve_fits_together() -> None:
    """With the parts that the base leaves to the user."""
    documents = [document for name in FILES if name.startswith("serve/") for document in read(name)]
    check_rules(documents)
    listed = yaml.safe_load((DEPLOY / "serve/kustomization.yaml").read_text())["resources"]
    named = set(re.findall(r"- ([\w-]+\.yaml)", (DEPLOY / "serve/kustomization.yaml").read_text()))
    assert named == {path.name for path in (DEPLOY / "serve").glob("*.yaml")} - {"kustomization.yaml"}
    assert set(listed) < named
    monitor = one("serve/pod-monitor.yaml", "PodMonitor")
    (server,) = server_pod()["spec"]["containers"]
    ports = {port["name"] for port in server["ports"]}
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports
    annotations = server_pod()["metadata"]["annotations"]
    assert int(annotations["prometheus.io/port"]) == server["ports"][0]["containerPort"]


def server_pod() -> Manifest:
    """Return the pod of the Deployment."""
    (pod,) = pods(one("serve/deployment.yaml", "Deployment"))
    return pod


def broken(path: str, value: Any) -> Manifest:
    """Return a runtime with one field set."""
    document = copy.deepcopy(one("train/trainer-torchrun.yaml", "ClusterTrainingRuntime"))
    *parts, last = path.split(".")
    place: Any = document
    for part in parts:
        place = place[int(part) if part.isdecimal() else part]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.mlPolicy.numNodes", "two"),
        ("spec.mlpolicy", {}),
        ("spec.template.spec.replicatedJobs.0.template.spec.template.spec.containers.0.imagee", "x"),
        ("spec.template.spec.replicatedJobs.0.template.spec.backofflimit", 1),
    ],
)
def test_mistakes_are_found(path: str, value: object) -> None:
    """What checks these files knows a misspelt field and a wrong type, at any depth."""
    with pytest.raises(Exception, match=r".") as caught:
        check(broken(path, value))
    assert type(caught.value).__name__ in {"ValidationError", "AssertionError"}


def test_a_mistake_in_kserve_is_found() -> None:
    service = one("kserve/inference-service.yaml", "InferenceService")
    service["spec"]["predictor"]["canaryTrafficPercentage"] = 10
    with pytest.raises(Exception, match="canaryTrafficPercentage"):
        check(service)


@pytest.mark.parametrize("name", TRAINER)
def test_trainer_finds_its_container(name: str) -> None:
    """Kubeflow Trainer injects the hosts into the container `node` of the job with this label."""
    runtime, job = one(name, "ClusterTrainingRuntime"), one(name, "TrainJob")
    (replicated,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert replicated["name"] == "node"
    assert replicated["template"]["metadata"]["labels"] == {
        "trainer.kubeflow.org/trainjob-ancestor-step": "trainer"
    }
    (pod,) = pods(runtime)
    assert [container["name"] for container in pod["spec"]["containers"]] == ["node"]
    assert job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]
    assert job["spec"]["trainer"]["numNodes"] == 2
    (patch,) = job["spec"]["runtimePatches"]
    (patched,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    (init,) = patched["template"]["spec"]["template"]["spec"]["initContainers"]
    (own,) = pod["spec"]["initContainers"]
    assert (patched["name"], init["name"]) == ("node", own["name"])
    assert {one["name"] for one in init["env"]} <= {one["name"] for one in own["env"]}


def test_jobset_counts_its_hosts_alike() -> None:
    """The number of hosts, and the first one's name, stand in several places."""
    document = one("train/jobset.yaml", "JobSet")
    (replicated,) = document["spec"]["replicatedJobs"]
    (job,), (pod,) = jobs(document), pods(document)
    (node,), (init,) = pod["spec"]["containers"], pod["spec"]["initContainers"]
    environ = {one["name"]: one.get("value") for one in node["env"]}
    name = document["metadata"]["name"]
    assert environ["PET_NNODES"] == str(job["parallelism"])
    assert environ["PET_MASTER_ADDR"] == f"{name}-{replicated['name']}-0-0.{name}"
    assert f"$(JOB_COMPLETION_INDEX)/{job['parallelism']}" in init["args"]


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("train/")])
def test_faults_that_no_restart_mends_end_a_job(name: str) -> None:
    """Exit codes of the contract, of packages and of models."""
    codes = {error.exit_code for error in (ContractError, DependencyError, ModelLoadError)}
    for document in read(name):
        for job in jobs(document):
            (rule,) = [one for one in job["podFailurePolicy"]["rules"] if one["action"] == "FailJob"]
            assert set(rule["onExitCodes"]["values"]) == codes


def environment(container: Manifest) -> dict[str, str]:
    """Return a container's own variables."""
    return {one["name"]: one["value"] for one in container["env"]}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("serve/deployment.yaml", "Deployment"), ("kserve/runtime.yaml", "ClusterServingRuntime")],
)
def test_probes_ask_ping(name: str, kind: str) -> None:
    """A start may take ten minutes, a repair longer than a request; a loading model is not restarted."""
    (pod,) = pods(one(name, kind))
    (server,) = pod["spec"]["containers"]
    probes = {name: server[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    seconds = {name: probe["periodSeconds"] * probe["failureThreshold"] for name, probe in probes.items()}
    assert seconds["startup"] == 600
    assert seconds["readiness"] < TIMEOUT < seconds["liveness"]


def test_a_stop_ends_before_the_kill() -> None:
    """The longest request fits into the stop; preStop and the stop fit into the time before the kill."""
    spec = server_pod()["spec"]
    (server,) = spec["containers"]
    program, delay = server["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    stop = float(environment(server)["SAGEMAKER_STOP_GRACE_SECONDS"])
    assert stop > TIMEOUT
    assert float(delay) + stop < spec["terminationGracePeriodSeconds"]
    page = (ROOT / "docs/how-to/deploy.md").read_text()
    for name, value in (
        ("preStop", delay),
        ("SAGEMAKER_STOP_GRACE_SECONDS", environment(server)["SAGEMAKER_STOP_GRACE_SECONDS"]),
        ("terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"]),
        ("SAGEMAKER_MODEL_SERVER_TIMEOUT", int(TIMEOUT)),
    ):
        assert f"| `{name}` | {value} |" in page
