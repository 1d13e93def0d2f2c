"""A processing job: inputs by init containers, the program, and its outputs pushed when it has ended well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth.errors import ContractError, Fault
from mlberth_local.inputs.delivery import Channel
from mlberth_local.jobs.processing import CONFIG_MEMBERS, inputs, outputs
from mlberth_local.render.coverage import Coverage
from mlberth_local.render.kubernetes.hosts import INDEX, Cluster, Group, config_map, workload
from mlberth_local.render.kubernetes.names import name_of, resources
from mlberth_local.render.kubernetes.pods import Pod, literal, variables
from mlberth_local.render.kubernetes.training import GRACE
from mlberth_local.render.request_files import PROCESSING, check

_RUNTIME = 86400
_ATTEMPTS = 3
_CONFIG = f"{DEFAULT_BASE}/config"


def render(request: Mapping[str, Any], notes: list[str]) -> list[dict[str, Any]]:
    """Return the manifests of a CreateProcessingJob; what a value loses on its way is added to `notes`."""
    check(PROCESSING, request)
    app, config = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    if not app.get("ContainerEntrypoint"):
        found = "none: what the image starts by itself cannot be followed by a push"
        raise ContractError(Fault(f"{PROCESSING}, ContainerEntrypoint", found, "the program's command"))
    cluster = Cluster(request["ProcessingJobName"], config, f"{PROCESSING}, ClusterConfig")
    _note(request, cluster, notes)
    files = {"processingjobconfig.json": json.dumps(_config(request), indent=1), **cluster.config_files()}
    made = workload(
        cluster,
        lambda group: _pod(request, cluster, group),
        seconds=(request.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or _RUNTIME,
        attempts=_ATTEMPTS,
        tags=request.get("Tags"),
    )
    return [config_map(cluster.name, files, PROCESSING), made]


def _note(request: Mapping[str, Any], cluster: Cluster, notes: list[str]) -> None:
    if request["ProcessingJobName"] != cluster.name:
        notes.append(
            f"{PROCESSING}.ProcessingJobName: the objects are called {cluster.name}, as Kubernetes' names are"
        )
    notes += [
        f"{PROCESSING}.ProcessingInputs, {one.name}: files are copied; there are no pipes"
        for one in inputs(request)
        if one.mode == "Pipe"
    ]
    notes += [
        f"{PROCESSING}.ProcessingOutputConfig, {output['LocalPath']}: it is pushed at the end, not meanwhile"
        for output in outputs(request)
        if output.get("S3UploadMode") == "Continuous"
    ]


def _config(request: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: request[name] for name in CONFIG_MEMBERS if name in request}
    return {**found, "ProcessingJobName": request["ProcessingJobName"]}


def _pod(request: Mapping[str, Any], cluster: Cluster, group: Group) -> dict[str, Any]:
    app, config = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    # The SDKs' programs install their packages into the image's folders.
    pod = Pod(cluster.name, app["ImageUri"], has_rights=True)
    volume = {"name": "config", "configMap": {"name": cluster.name}}
    for name, key in (
        ("processingjobconfig.json", "processingjobconfig.json"),
        ("resourceconfig.json", group.config_key(INDEX)),
    ):
        part = "subPathExpr" if INDEX in key else "subPath"
        pod.mount(volume, {"mountPath": f"{_CONFIG}/{name}", part: key, "readOnly": True})
    pod.mount_empty("processing", f"{DEFAULT_BASE}/processing")
    pod.mount_empty("output", f"{DEFAULT_BASE}/output")
    # Folders of outputs are there when the program begins, as on the platform.
    for number, output in enumerate(outputs(request)):
        pod.mount_empty(f"output-{number}", output["LocalPath"].rstrip("/"))
    for number, one in enumerate(inputs(request)):
        _fetch_input(pod, one, number, cluster, group)
    command = literal([*app["ContainerEntrypoint"], *(app.get("ContainerArguments") or [])])
    for output in outputs(request):
        command = ["mlberth", "push", output["LocalPath"].rstrip("/"), output["S3Uri"], "--", *command]
    container: dict[str, Any] = {
        "name": "process",
        "command": command,
        "env": variables(request.get("Environment") or {}),
    }
    if amounts := resources(group.instance_type, config.get("VolumeSizeInGB")):
        container["resources"] = amounts
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return pod.spec(container, GRACE, restartPolicy="Never")


def _fetch_input(pod: Pod, one: Channel, number: int, cluster: Cluster, group: Group) -> None:
    arguments = ["--manifest"] if one.source.get("S3DataType") == "ManifestFile" else []
    if one.distribution == "ShardedByS3Key" and not cluster.is_alone:
        arguments += ["--shard", f"{INDEX}/{len(group.hosts)}"]
    name = f"input-{number}-{name_of(one.name.rpartition('/')[2], 40)}"
    pod.fetch(name.rstrip("-"), [*arguments, one.source["S3Uri"]], one.source["LocalPath"].rstrip("/"))


_NETWORK = "the cluster's network is its own; a NetworkPolicy keeps pods apart"
COVERAGE = Coverage(
    carried={
        "AppSpecification": "image, command",
        "Environment": "env",
        "ProcessingInputs.InputName": "ConfigMap, processingjobconfig.json",
        "ProcessingInputs.S3Input": "an init container, `mlberth fetch`",
        "ProcessingJobName": "metadata.name",
        "ProcessingOutputConfig.Outputs.OutputName": "ConfigMap, processingjobconfig.json",
        "ProcessingOutputConfig.Outputs.S3Output": "`mlberth push`",
        "ProcessingResources.ClusterConfig.InstanceCount": "completions, parallelism",
        "ProcessingResources.ClusterConfig.InstanceType": "resources",
        "ProcessingResources.ClusterConfig.VolumeSizeInGB": "ephemeral-storage",
        "StoppingCondition": "activeDeadlineSeconds",
        "Tags": "an annotation",
    },
    left_out={
        "ExperimentConfig": "no experiments",
        "NetworkConfig.EnableInterContainerTrafficEncryption": "encrypt the pods' network",
        "NetworkConfig.EnableNetworkIsolation": "a NetworkPolicy can forbid all but the object store",
        "NetworkConfig.VpcConfig": _NETWORK,
        "ProcessingInputs.AppManaged": "the program brings such an input itself",
        "ProcessingInputs.DatasetDefinition": "there is no Athena and no Redshift: the input is left out",
        "ProcessingInputs.S3Input.S3CompressionType": "objects stay as they are",
        "ProcessingOutputConfig.KmsKeyId": "encrypt the bucket",
        "ProcessingOutputConfig.Outputs.AppManaged": "the program stores such an output itself",
        "ProcessingOutputConfig.Outputs.FeatureStoreOutput": "the output is left out: there is no store",
        "ProcessingResources.ClusterConfig.InstancePreferences": "the scheduler's: a node affinity",
        "ProcessingResources.ClusterConfig.SelectedInstanceCount": "the service's answer, and no wish",
        "ProcessingResources.ClusterConfig.SelectedInstanceType": "the service's answer, and no wish",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId": "encrypt the nodes' disks",
        "RoleArn": "give the pods a service account with a role, or keys in the Secret object-store",
    },
)
"""Of CreateProcessingJob."""
