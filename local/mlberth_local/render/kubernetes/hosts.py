"""The hosts of a job: one is a Job, several are a JobSet, whose pods find one another by their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_local.jobs.cluster import DEFAULT_GROUP, Member, members, resource_config
from mlberth_local.render.kubernetes.names import metadata, name_of

_LONGEST_NAME = 38
_LONGEST_GROUP = 15
_MAX_BYTES = 1_000_000
"""Of a ConfigMap, which may have 1 MiB."""
_FINAL = [65, 69, 78]
INDEX = "$(JOB_COMPLETION_INDEX)"
"""A pod's number in its group, as a reference to the variable that Kubernetes sets."""
PodSpec = Callable[["Group"], dict[str, Any]]


class Group:
    """The hosts of an instance group, which are the pods of one Job."""

    def __init__(self, name: str, instance_type: str, hosts: list[Member], *, alone: bool) -> None:
        self.name = name
        self.instance_type = instance_type
        self.hosts = hosts
        self.alone = alone
        """Whether the job has this one host."""
        self.label = "node" if name == DEFAULT_GROUP else name_of(name, _LONGEST_GROUP)

    def config_key(self, number: str) -> str:
        """Return the key of a host's resourceconfig.json in the ConfigMap."""
        return "resourceconfig.json" if self.alone else f"resourceconfig.{self.label}.{number}.json"


class Cluster:
    """All hosts of a job, named as their pods will be."""

    def __init__(self, name: str, config: Mapping[str, Any], where: str) -> None:
        self.name = name_of(name, _LONGEST_NAME)
        hosts = members(config)
        self.is_alone = len(hosts) == 1
        grouped: dict[str, list[Member]] = {}
        for host in hosts:
            grouped.setdefault(host.group, []).append(host)
        self.groups = [
            Group(group, of[0].instance_type, self._named(group, of), alone=self.is_alone)
            for group, of in grouped.items()
        ]
        labels = [group.label for group in self.groups]
        if len(set(labels)) < len(labels):
            found = f"groups that are both called {max(labels, key=labels.count)!r} as labels"
            raise ContractError(Fault(where, found, "names that differ in letters and digits"))

    def _named(self, group: str, hosts: list[Member]) -> list[Member]:
        if self.is_alone:
            return hosts
        label = Group(group, "", [], alone=False).label
        return [
            Member(f"{self.name}-{label}-0-{number}.{self.name}", host.instance_type, group)
            for number, host in enumerate(hosts)
        ]

    @property
    def hosts(self) -> list[Member]:
        """All hosts in the order of their ranks."""
        return [host for group in self.groups for host in group.hosts]

    def config_files(self) -> dict[str, str]:
        """Return resourceconfig.json of every host by its key in the ConfigMap."""
        return {
            group.config_key(str(number)): json.dumps(resource_config(host, self.hosts, "eth0"))
            for group in self.groups
            for number, host in enumerate(group.hosts)
        }


def config_map(name: str, files: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return a ConfigMap of files. Raises ContractError if it is larger than Kubernetes takes."""
    size = sum(len(text.encode()) for text in files.values())
    if size > _MAX_BYTES:
        found = f"{size} bytes of configuration"
        action = "Use Kubeflow Trainer, whose variables need no list of hosts (deploy/kubernetes/train)."
        raise ContractError(Fault(where, found, f"at most {_MAX_BYTES}, for a ConfigMap", action))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": dict(files)}


def workload(
    cluster: Cluster, pod_spec: PodSpec, *, seconds: int, attempts: int, tags: list[Mapping[str, str]] | None
) -> dict[str, Any]:
    """Return the Job or the JobSet of a job, with as many attempts after the first as are given."""
    names = metadata(cluster.name, tags)
    final = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": _FINAL}}
    if cluster.is_alone:
        disrupted = {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        }
        spec = _job(cluster, cluster.groups[0], pod_spec, seconds, attempts)
        spec["podFailurePolicy"] = {"rules": [disrupted, final]}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": names, "spec": spec}
    replicated = []
    for group in cluster.groups:
        count = len(group.hosts)
        spec = {"completionMode": "Indexed", "completions": count, "parallelism": count}
        spec |= _job(cluster, group, pod_spec, seconds, 0)
        spec["podFailurePolicy"] = {"rules": [final]}
        replicated.append({"name": group.label, "replicas": 1, "template": {"spec": spec}})
    rule = {
        "name": "contract",
        "action": "FailJobSet",
        "onJobFailureReasons": ["PodFailurePolicy"],
    }
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": names,
        "spec": {
            "failurePolicy": {"maxRestarts": attempts, "rules": [rule]},
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
            "replicatedJobs": replicated,
        },
    }


def _job(cluster: Cluster, group: Group, pod_spec: PodSpec, seconds: int, attempts: int) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": cluster.name}
    return {
        "activeDeadlineSeconds": seconds,
        "backoffLimit": attempts,
        "template": {"metadata": {"labels": labels}, "spec": pod_spec(group)},
    }
