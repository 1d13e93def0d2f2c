"""The account of requests for Slurm: which option or line of the script has a parameter, or why none has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlberth.errors import Fault
from mlberth_local.render.coverage import Coverage
from mlberth_local.render.request_files import PROCESSING, TRAINING

_NODES = "choose nodes with sbatch --partition, --constraint, --gpus-per-node; a node is the job's alone"
_AWS = "an account of AWS; the job has the rights of the user who submits it"
_KEYS = "an encryption of AWS's own; encrypt the disks and the bucket"
_NETWORK = "Slurm does not limit the network of a job"
_NO_SERVICE = "a service of the platform's, which Slurm does not have"
_PLANS = "a reservation of the platform's; sbatch --reservation has one of Slurm's"
_DISK = "a node has the disk that it has; SCRATCH chooses one"

_CHECKPOINTS = (
    "they are in FOLDER/checkpoints, which nodes share, and at /opt/ml/checkpoints (SM_CHECKPOINT_DIR); "
    "mlberth fetch and mlberth push copy them"
)

_TRAINING = Coverage(
    carried={
        "TrainingJobName": "--job-name, TRAINING_JOB_NAME",
        "AlgorithmSpecification.TrainingImage": "IMAGE",
        "AlgorithmSpecification.ContainerEntrypoint": "run",
        "AlgorithmSpecification.ContainerArguments": "run",
        "AlgorithmSpecification.MetricDefinitions": "input/config/metric-definition-regex.json",
        "AlgorithmSpecification.TrainingInputMode": "mlberth fetch",
        "HyperParameters": "input/config/hyperparameters.json",
        "Environment": "run",
        "EnableManagedSpotTraining": "--requeue",
        "InputDataConfig": "mlberth fetch, input/config/inputdataconfig.json",
        "OutputDataConfig": "mlberth push",
        "ResourceConfig.InstanceCount": "--nodes",
        "RetryStrategy.MaximumRetryAttempts": "RESTARTS",
        "StoppingCondition.MaxRuntimeInSeconds": "--time",
    },
    left_out={
        "AlgorithmSpecification.AlgorithmName": "an algorithm of the platform's; name its image in IMAGE",
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": _NO_SERVICE,
        "AlgorithmSpecification.TrainingImageConfig": "log in by apptainer remote or podman login",
        "CheckpointConfig": _CHECKPOINTS,
        "DebugHookConfig": _NO_SERVICE,
        "DebugRuleConfigurations": _NO_SERVICE,
        "EnableInterContainerTrafficEncryption": _NETWORK,
        "EnableNetworkIsolation": _NETWORK,
        "ExperimentConfig": _NO_SERVICE,
        "InfraCheckConfig": _NO_SERVICE,
        "InputDataConfig.DataSource.DatasetSource": f"refused: {_NO_SERVICE}",
        "InputDataConfig.DataSource.FileSystemDataSource": "refused: name a folder that nodes share in fetch",
        "InputDataConfig.DataSource.S3DataSource.AttributeNames": "of augmented manifests, which are refused",
        "InputDataConfig.DataSource.S3DataSource.HubAccessConfig": _NO_SERVICE,
        "InputDataConfig.DataSource.S3DataSource.InstanceGroupNames": "refused: nodes are of one kind",
        "InputDataConfig.DataSource.S3DataSource.ModelAccessConfig": _NO_SERVICE,
        "InputDataConfig.ShuffleConfig": "files have no order in File mode",
        "MlflowConfig": _NO_SERVICE,
        "ModelPackageConfig": _NO_SERVICE,
        "OutputDataConfig.KmsKeyId": _KEYS,
        "ProfilerConfig": _NO_SERVICE,
        "ProfilerRuleConfigurations": _NO_SERVICE,
        "RemoteDebugConfig": "srun --overlap --jobid=… --pty bash leads into a job that runs",
        "ResourceConfig.InstanceGroups": "refused: Slurm has het jobs for them, by hand",
        "ResourceConfig.InstancePlacementConfig": _PLANS,
        "ResourceConfig.InstancePreferences": _NODES,
        "ResourceConfig.InstanceType": _NODES,
        "ResourceConfig.KeepAlivePeriodInSeconds": "nodes are there already",
        "ResourceConfig.SelectedInstanceCount": _NODES,
        "ResourceConfig.SelectedInstanceType": _NODES,
        "ResourceConfig.TrainingPlanArn": _PLANS,
        "ResourceConfig.VolumeKmsKeyId": _KEYS,
        "ResourceConfig.VolumeSizeInGB": _DISK,
        "RoleArn": _AWS,
        "ServerlessJobConfig": _NO_SERVICE,
        "SessionChainingConfig": _AWS,
        "StoppingCondition.MaxPendingTimeInSeconds": "sbatch --deadline ends a job that waits too long",
        "StoppingCondition.MaxWaitTimeInSeconds": "sbatch --deadline ends a job that waits too long",
        "Tags": "sbatch --comment, --account and --wckey stand for them",
        "TensorBoardOutputConfig": "write to a folder below FOLDER",
        "VpcConfig": _NETWORK,
    },
)
_PROCESSING = Coverage(
    carried={
        "ProcessingJobName": "--job-name",
        "AppSpecification": "IMAGE, run",
        "Environment": "run",
        "ProcessingInputs": "mlberth fetch",
        "ProcessingOutputConfig": "mlberth push",
        "ProcessingResources.ClusterConfig.InstanceCount": "--nodes",
        "StoppingCondition.MaxRuntimeInSeconds": "--time",
    },
    left_out={
        "ExperimentConfig": _NO_SERVICE,
        "NetworkConfig": _NETWORK,
        "ProcessingInputs.AppManaged": "the script fetches all inputs",
        "ProcessingInputs.DatasetDefinition": f"refused: {_NO_SERVICE}",
        "ProcessingOutputConfig.KmsKeyId": _KEYS,
        "ProcessingOutputConfig.Outputs.AppManaged": "the script pushes all outputs",
        "ProcessingOutputConfig.Outputs.FeatureStoreOutput": f"refused: {_NO_SERVICE}",
        "ProcessingOutputConfig.Outputs.S3Output.S3UploadMode": "outputs are pushed at the end",
        "ProcessingResources.ClusterConfig.InstancePreferences": _NODES,
        "ProcessingResources.ClusterConfig.InstanceType": _NODES,
        "ProcessingResources.ClusterConfig.SelectedInstanceCount": _NODES,
        "ProcessingResources.ClusterConfig.SelectedInstanceType": _NODES,
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId": _KEYS,
        "ProcessingResources.ClusterConfig.VolumeSizeInGB": _DISK,
        "RoleArn": _AWS,
        "Tags": "sbatch --comment, --account and --wckey stand for them",
    },
)
COVERAGE: Mapping[str, Coverage] = {TRAINING: _TRAINING, PROCESSING: _PROCESSING}
_MODES = ("a mode that ends with files in a folder: File, FastFile", "Slurm has no pipes: change the mode.")


def impossible(operation: str, request: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what a job cannot do without, and Slurm cannot give it."""
    yield from _of_training(request) if operation == TRAINING else _of_processing(request)


def _of_training(request: Mapping[str, Any]) -> Iterator[Fault]:
    channels = request.get("InputDataConfig") or []
    for number, channel in enumerate(channels):
        yield from _channel(f"{TRAINING}, InputDataConfig[{number}]", channel)
    mode = request["AlgorithmSpecification"].get("TrainingInputMode")
    if mode == "Pipe" and not all(channel.get("InputMode") for channel in channels):
        yield Fault(f"{TRAINING}, AlgorithmSpecification.TrainingInputMode", "Pipe", *_MODES)
    if request["ResourceConfig"].get("InstanceGroups"):
        where, action = f"{TRAINING}, ResourceConfig.InstanceGroups", "Slurm has het jobs for them, by hand."
        yield Fault(where, "several kinds of nodes", "InstanceCount", action)


def _of_processing(request: Mapping[str, Any]) -> Iterator[Fault]:
    for number, entry in enumerate(request.get("ProcessingInputs") or ()):
        yield from _input(f"{PROCESSING}, ProcessingInputs[{number}]", entry)
    for number, entry in enumerate((request.get("ProcessingOutputConfig") or {}).get("Outputs") or ()):
        where = f"{PROCESSING}, ProcessingOutputConfig.Outputs[{number}]"
        if entry.get("S3Output"):
            yield from _path(f"{where}.S3Output.LocalPath", entry["S3Output"].get("LocalPath"))
        else:
            yield Fault(where, "FeatureStoreOutput", "S3Output", f"It is {_NO_SERVICE}.")


def _path(where: str, path: str | None) -> Iterator[Fault]:
    # What is not below /opt/ml would be a folder of the node's own.
    parts = (path or "").split("/")
    if parts[:3] != ["", "opt", "ml"] or ".." in parts:
        yield Fault(where, repr(path or ""), "a path below /opt/ml/processing")


def _channel(where: str, entry: Mapping[str, Any]) -> Iterator[Fault]:
    source = entry["DataSource"].get("S3DataSource")
    if entry["ChannelName"] in (".", ".."):
        yield Fault(f"{where}.ChannelName", repr(entry["ChannelName"]), "the name of a folder")
    if not source:
        action = (
            "Name a folder that nodes share in `fetch`, by hand, and take the channel out of the request."
        )
        yield Fault(f"{where}.DataSource", ", ".join(entry["DataSource"]), "S3DataSource", action)
    elif source.get("S3DataType") not in (None, "S3Prefix", "ManifestFile"):
        yield Fault(
            f"{where}.DataSource.S3DataSource.S3DataType", source["S3DataType"], "S3Prefix, ManifestFile"
        )
    elif source.get("InstanceGroupNames"):
        yield Fault(f"{where}.DataSource.S3DataSource.InstanceGroupNames", "groups", "one kind of nodes")
    if entry.get("InputMode") == "Pipe":
        yield Fault(f"{where}.InputMode", "Pipe", *_MODES)


def _input(where: str, entry: Mapping[str, Any]) -> Iterator[Fault]:
    source = entry.get("S3Input")
    if not source:
        yield Fault(where, "DatasetDefinition", "S3Input", f"It is {_NO_SERVICE}.")
        return
    if source.get("S3InputMode") == "Pipe":
        yield Fault(f"{where}.S3Input.S3InputMode", "Pipe", *_MODES)
    if source.get("S3CompressionType") == "Gzip":
        yield Fault(f"{where}.S3Input.S3CompressionType", "Gzip", "None", "Store the files as they are.")
    yield from _path(f"{where}.S3Input.LocalPath", source.get("LocalPath"))
