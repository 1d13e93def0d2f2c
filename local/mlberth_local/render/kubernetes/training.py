"""A training job: channels by init containers, configuration by a ConfigMap, results pushed at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth_local.inputs.channels import DATA_TYPES
from mlberth_local.inputs.delivery import Channel, channels_of
from mlberth_local.inputs.objects import below
from mlberth_local.jobs.training import checkpoint_path
from mlberth_local.render.kubernetes.hosts import INDEX, Cluster, Group, config_map, workload
from mlberth_local.render.kubernetes.names import metadata, name_of, resources
from mlberth_local.render.kubernetes.pods import Pod, literal, variables
from mlberth_local.render.request_files import TRAINING, check

GRACE = 300
"""Seconds from SIGTERM to SIGKILL: the program's 110, and time to push."""
_RUNTIME = 86400
_ATTEMPTS = 3
_SUBMITTED = "sagemaker_submit_directory"
_CONFIG = f"{DEFAULT_BASE}/input/config"


def render(request: Mapping[str, Any], notes: list[str]) -> list[dict[str, Any]]:
    """Return the manifests of a CreateTrainingJob; what a value loses on its way is added to `notes`."""
    request = _with_s3_alone(request)
    check(TRAINING, request)
    cluster = Cluster(request["TrainingJobName"], request["ResourceConfig"], f"{TRAINING}, ResourceConfig")
    _note(request, cluster, notes)
    documents = [config_map(cluster.name, _files(request, cluster), TRAINING)]
    if _has_claim(request, cluster):
        documents.append(_claim(cluster.name, request))
    condition = request.get("StoppingCondition") or {}
    attempts = (request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", _ATTEMPTS)
    seconds = condition.get("MaxRuntimeInSeconds") or _RUNTIME
    made = workload(
        cluster,
        lambda group: _pod(request, cluster, group),
        seconds=seconds,
        attempts=attempts,
        tags=request.get("Tags"),
    )
    return [*documents, made]


def _with_s3_alone(request: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out channels of other sources; the account of parameters names them."""
    entries = [one for one in request.get("InputDataConfig") or [] if "S3DataSource" in one["DataSource"]]
    return {**request, "InputDataConfig": entries}


def _note(request: Mapping[str, Any], cluster: Cluster, notes: list[str]) -> None:
    where = f"{TRAINING}.InputDataConfig"
    for number, entry in enumerate(request["InputDataConfig"]):
        mode = entry.get("InputMode") or request["AlgorithmSpecification"].get("TrainingInputMode") or "File"
        if mode != "File":
            notes.append(
                f"{where}[{number}].InputMode = {mode!r}: files are copied before the start, as in mode File"
            )
        source = entry["DataSource"]["S3DataSource"]
        kind = source.get("S3DataType") or "S3Prefix"
        if kind == "AugmentedManifestFile":
            notes.append(f"{where}[{number}]: of an augmented manifest only the manifest itself is fetched")
        elif kind not in DATA_TYPES:
            notes.append(f"{where}[{number}].S3DataType = {kind!r}: objects are fetched as for S3Prefix")
        groups = source.get("InstanceGroupNames") or []
        if source.get("S3DataDistributionType") == "ShardedByS3Key" and 1 < len(groups) < len(cluster.groups):
            notes.append(f"{where}[{number}]: each host of these groups gets all objects, not its part")
    if request["TrainingJobName"] != cluster.name:
        notes.append(
            f"{TRAINING}.TrainingJobName: the objects are called {cluster.name}, as Kubernetes' names are"
        )
    if not cluster.is_alone:
        notes.append(
            f"{TRAINING}.OutputDataConfig: the model is the first host's; the platform packs those of all"
        )
    if request.get("CheckpointConfig"):
        kept = (
            "between attempts a volume keeps them"
            if cluster.is_alone
            else "a host that is lost loses its own"
        )
        notes.append(
            f"{TRAINING}.CheckpointConfig: checkpoints are copied at the start and the end, not as they are"
            f" written; {kept}"
        )


def _files(request: Mapping[str, Any], cluster: Cluster) -> dict[str, str]:
    """Return the files of the configuration by their keys."""
    hyperparameters = request.get("HyperParameters") or {}
    files = {"hyperparameters.json": json.dumps(hyperparameters, indent=1), **cluster.config_files()}
    for group in cluster.groups:
        channels = {one.name: _copied(one).contract() for one in channels_of(request, group.name)}
        files[_inputs_key(group)] = json.dumps(channels, indent=1)
    if definitions := request["AlgorithmSpecification"].get("MetricDefinitions"):
        files["metric-definition-regex.json"] = json.dumps(definitions, indent=1)
    if config := request.get("CheckpointConfig"):
        place = {"LocalPath": checkpoint_path(config), "S3Uri": config["S3Uri"]}
        files["checkpointconfig.json"] = json.dumps(place)
    return files


def _copied(channel: Channel) -> Channel:
    return Channel(channel.name, "File", channel.config)


def _inputs_key(group: Group) -> str:
    return "inputdataconfig.json" if group.alone else f"inputdataconfig.{group.label}.json"


def _has_claim(request: Mapping[str, Any], cluster: Cluster) -> bool:
    return bool(request.get("CheckpointConfig")) and cluster.is_alone


def _claim(name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    size = request["ResourceConfig"].get("VolumeSizeInGB") or 1
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{size}Gi"}}}
    kind = "PersistentVolumeClaim"
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata(name), "spec": spec}


def _pod(request: Mapping[str, Any], cluster: Cluster, group: Group) -> dict[str, Any]:
    algorithm = request["AlgorithmSpecification"]
    # Code that comes with the job brings its packages, which are installed into the image's folders.
    has_rights = _SUBMITTED in (request.get("HyperParameters") or {})
    image = algorithm.get("TrainingImage") or algorithm["AlgorithmName"]
    pod = Pod(cluster.name, image, has_rights=has_rights)
    _mount_config(request, cluster, group, pod)
    for name, path in (("data", "input/data"), ("model", "model"), ("output", "output")):
        pod.mount_empty(name, f"{DEFAULT_BASE}/{path}")
    if has_rights:
        pod.mount_empty("code", f"{DEFAULT_BASE}/code")
    pod.mount({"name": "shm", "emptyDir": {"medium": "Memory"}}, {"mountPath": "/dev/shm"})  # noqa: S108
    for channel in channels_of(request, group.name):
        _fetch_channel(pod, channel, cluster, group)
    if config := request.get("CheckpointConfig"):
        claim = {"persistentVolumeClaim": {"claimName": cluster.name}}
        volume = claim if _has_claim(request, cluster) else {"emptyDir": {}}
        pod.mount({"name": "checkpoints", **volume}, {"mountPath": checkpoint_path(config)})
        pod.fetch("checkpoints", ["--if-empty", "--optional", config["S3Uri"]], checkpoint_path(config))
    environ = {"TRAINING_JOB_NAME": request["TrainingJobName"], **(request.get("Environment") or {})}
    container: dict[str, Any] = {
        "name": "node",
        "command": _command(request, cluster, group),
        "env": variables(environ),
    }
    amounts = resources(group.instance_type, request["ResourceConfig"].get("VolumeSizeInGB"))
    if amounts:
        container["resources"] = amounts
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return pod.spec(container, GRACE, restartPolicy="Never")


def _mount_config(request: Mapping[str, Any], cluster: Cluster, group: Group, pod: Pod) -> None:
    """Mount each file of the configuration by itself: hosts have their own."""
    files = {"hyperparameters.json": "hyperparameters.json", "inputdataconfig.json": _inputs_key(group)}
    if request["AlgorithmSpecification"].get("MetricDefinitions"):
        files["metric-definition-regex.json"] = "metric-definition-regex.json"
    if request.get("CheckpointConfig"):
        files["checkpointconfig.json"] = "checkpointconfig.json"
    files["resourceconfig.json"] = group.config_key(INDEX)
    volume = {"name": "config", "configMap": {"name": cluster.name}}
    for name, key in files.items():
        part = "subPathExpr" if INDEX in key else "subPath"
        pod.mount(volume, {"mountPath": f"{_CONFIG}/{name}", part: key, "readOnly": True})


def _fetch_channel(pod: Pod, channel: Channel, cluster: Cluster, group: Group) -> None:
    arguments = ["--manifest"] if channel.source.get("S3DataType") == "ManifestFile" else []
    groups = channel.source.get("InstanceGroupNames") or [one.name for one in cluster.groups]
    if channel.distribution == "ShardedByS3Key" and not cluster.is_alone:
        if len(groups) == 1:
            arguments += ["--shard", f"{INDEX}/{len(group.hosts)}"]
        elif len(groups) == len(cluster.groups):
            arguments += ["--shard", "auto"]  # by resourceconfig.json
    name = f"channel-{name_of(channel.name, 50)}"
    folder = f"{DEFAULT_BASE}/input/data/{channel.name}"
    pod.fetch(name, [*arguments, channel.source["S3Uri"]], folder)


def _command(request: Mapping[str, Any], cluster: Cluster, group: Group) -> list[str]:
    """Return the job's command, in those that push what it leaves."""
    algorithm, output = request["AlgorithmSpecification"], request["OutputDataConfig"]
    entry = literal(algorithm.get("ContainerEntrypoint") or [])
    arguments = literal(algorithm.get("ContainerArguments") or [])
    command = [*entry, *arguments] if entry else ["mlberth", "run", *(arguments or ["train"])]
    address = below(output["S3OutputPath"], request["TrainingJobName"], "output")
    packed = output.get("CompressionType") != "NONE"
    host = "" if cluster.is_alone else f"-{group.label}-{INDEX}"
    model = below(address, "model.tar.gz") if packed else below(address, "model", "")
    data = below(address, f"output{host}.tar.gz") if packed else below(address, f"data{host}", "")
    leader = [] if cluster.is_alone else ["--leader"]
    command = ["mlberth", "push", *leader, f"{DEFAULT_BASE}/model", model, "--", *command]
    if config := request.get("CheckpointConfig"):
        folder = checkpoint_path(config)
        command = ["mlberth", "push", "--always", folder, config["S3Uri"], "--", *command]
    return ["mlberth", "push", "--always", f"{DEFAULT_BASE}/output/data", data, "--", *command]
