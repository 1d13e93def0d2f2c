"""What no schema sees in a manifest: names that agree, quantities, restarts, mounts, rights."""

from __future__ import annotations

import re
from typing import Any

from tests.kubernetes.manifests import Manifest, jobs, pods

from mlberth_serve import variables as serve_variables
from mlberth_train import variables as train_variables

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_OURS = {
    name
    for one in (*serve_variables.ALL, *train_variables.ALL)
    for name in (one.name, *one.aliases)
    if name.startswith(("SAGEMAKER_", "MLBERTH_"))
}
NOTHING = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def check_rules(documents: list[Manifest], *, has_rights: bool = False) -> None:
    """Check documents that are applied together; `has_rights`: their containers may be root, and write."""
    for document in documents:
        assert _LABEL.fullmatch(document["metadata"]["name"]), document["metadata"]
        assert not {"namespace", "clusterName"} & set(document["metadata"]), "the user's own"
        for pod in pods(document):
            check_pod(pod, documents, has_rights=has_rights)
        for job in jobs(document):
            check_job(job)
        check_selectors(document, documents)


def check_pod(pod: Manifest, documents: list[Manifest], *, has_rights: bool = False) -> None:
    """Check the volumes, ports, probes, quantities, variables and rights of a pod's containers."""
    spec = pod["spec"]
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    containers = (*spec.get("initContainers", ()), *spec["containers"])
    assert len({container["name"] for container in containers}) == len(containers)
    mounted = set()
    for container in containers:
        targets = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
        assert len(set(targets)) == len(targets)
        for mount in container.get("volumeMounts", ()):
            assert mount["name"] in volumes, mount
            mounted.add(mount["name"])
        check_container(container)
        if not has_rights:
            own = container["securityContext"]
            assert NOTHING.items() <= own.items(), own
            user = {**spec.get("securityContext", {}), **own}
            assert user["runAsNonRoot"] is True
            assert user["runAsUser"] > 0
            assert "/tmp" in targets, "a read-only root leaves no other place"
    assert mounted == set(volumes), "a volume that nothing mounts"
    there = {(one["kind"], one["metadata"]["name"]) for one in documents}
    for volume in volumes.values():
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in there
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in there


def check_container(container: Manifest) -> None:
    """Check one container by itself."""
    for amounts in container.get("resources", {}).values():
        assert all(_QUANTITY.fullmatch(str(amount)) for amount in amounts.values()), amounts
    limits, requests = (container.get("resources", {}).get(name, {}) for name in ("limits", "requests"))
    assert all(amount(requests[name]) <= amount(limits[name]) for name in requests if name in limits)
    names = [one["name"] for one in container.get("env", ())]
    assert len(set(names)) == len(names)
    assert {name for name in names if name.startswith(("SAGEMAKER_", "MLBERTH_"))} <= _OURS
    ports = container.get("ports", ())
    known = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in container:
            assert container[probe]["httpGet"]["port"] in known
            assert container[probe]["httpGet"]["path"] == "/ping"


def amount(quantity: Any) -> float:
    """Return a quantity as a number."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()  # type: ignore[union-attr]
    units = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    units |= {f"{letter}i": 1024**power for power, letter in enumerate("KMGT", 1)}
    return float(number) * units[unit]


def check_job(job: Manifest) -> None:
    """Check restarts and counts: a Job's pods may not restart by themselves with rules for their failures."""
    spec = job["template"]["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["terminationGracePeriodSeconds"] > 110, "`train` gives its program so long"
    if job.get("completionMode") == "Indexed":
        assert job["completions"] == job["parallelism"]


def check_selectors(document: Manifest, documents: list[Manifest]) -> None:
    """Check that what selects pods finds some, and that what names an object does."""
    labels = [pod.get("metadata", {}).get("labels", {}) for other in documents for pod in pods(other)]
    spec = document.get("spec") or {}
    selector = spec.get("selector")
    if selector is not None:
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= found.items() for found in labels), wanted
    if document["kind"] == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        assert (target["kind"], target["name"]) in {
            (other["kind"], other["metadata"]["name"]) for other in documents
        }
    if document["kind"] == "Service":
        ports = {
            port["name"]
            for other in documents
            for pod in pods(other)
            for container in pod["spec"]["containers"]
            for port in container.get("ports", ())
        }
        assert {port["targetPort"] for port in spec.get("ports", ())} <= ports
