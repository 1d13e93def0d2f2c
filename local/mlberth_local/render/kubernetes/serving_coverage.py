"""The account of CreateModel and CreateEndpointConfig: where each parameter goes, or why it goes nowhere."""

from __future__ import annotations

from mlberth_local.render.coverage import Coverage

_ROLE = "give the pods a service account with a role, or keys in the Secret object-store"
_NETWORK = "the cluster's network is its own; a NetworkPolicy keeps pods apart"
_NO_HUB = "there is no hub"
_CONTAINER_CARRIED = {
    "Environment": "env",
    "Image": "image",
    "Mode": "one model for each server",
    "ModelDataSource.S3DataSource.CompressionType": "`mlberth fetch --unpack`",
    "ModelDataSource.S3DataSource.S3DataType": "`mlberth fetch`",
    "ModelDataSource.S3DataSource.S3Uri": "`mlberth fetch`",
    "ModelDataUrl": "`mlberth fetch --unpack`",
}
_CONTAINER_LEFT_OUT = {
    "AdditionalModelDataSources": "a model has one source: put the others into it",
    "ContainerHostname": "one container has no other to be told from",
    "ContainerMetricsConfig": "Prometheus reads /metrics",
    "ImageConfig": "give the pods imagePullSecrets",
    "InferenceSpecificationName": "there is no model registry",
    "ModelDataSource.S3DataSource.ETag": "the object is taken as it is",
    "ModelDataSource.S3DataSource.HubAccessConfig": _NO_HUB,
    "ModelDataSource.S3DataSource.ManifestEtag": "models have no manifests here",
    "ModelDataSource.S3DataSource.ManifestS3Uri": "models have no manifests here",
    "ModelDataSource.S3DataSource.ModelAccessConfig": _NO_HUB,
    "ModelPackageName": "there is no model registry",
    "MultiModelConfig": "a server has one model",
}
_PLACES = ("PrimaryContainer", "Containers")
MODEL_COVERAGE = Coverage(
    carried={
        "ModelName": "the variant that names it",
        "Tags": "an annotation",
        **{f"{place}.{name}": what for place in _PLACES for name, what in _CONTAINER_CARRIED.items()},
    },
    left_out={
        "EnableNetworkIsolation": "a NetworkPolicy can forbid all but the object store",
        "ExecutionRoleArn": _ROLE,
        "InferenceExecutionConfig": "there are no pipelines of containers",
        "VpcConfig": _NETWORK,
        **{f"{place}.{name}": why for place in _PLACES for name, why in _CONTAINER_LEFT_OUT.items()},
    },
)
CONFIG_COVERAGE = Coverage(
    carried={
        "DataCaptureConfig": "SAGEMAKER_DATA_CAPTURE_*",
        "EndpointConfigName": "metadata.name",
        "ProductionVariants.ContainerStartupHealthCheckTimeoutInSeconds": "startupProbe",
        "ProductionVariants.InitialInstanceCount": "replicas",
        "ProductionVariants.InstanceType": "resources",
        "ProductionVariants.ManagedInstanceScaling.MaxInstanceCount": "an autoscaler, maxReplicas",
        "ProductionVariants.ManagedInstanceScaling.MinInstanceCount": "an autoscaler, minReplicas",
        "ProductionVariants.ManagedInstanceScaling.Status": "an autoscaler, or none",
        "ProductionVariants.ModelName": "the Deployment's model",
        "ProductionVariants.ServerlessConfig.MemorySizeInMB": "resources",
        "ProductionVariants.VariantName": "the Deployment's name, if there are several",
        "ProductionVariants.VolumeSizeInGB": "ephemeral-storage",
        # Several variants have a line of their own among the notes.
        "ProductionVariants.InitialVariantWeight": "the part of the pods",
        "Tags": "an annotation",
    },
    left_out={
        "AsyncInferenceConfig": "no queue of requests; use one of the cluster's",
        "CrossRegionTrafficConfig": "one cluster",
        "DataCaptureConfig.KmsKeyId": "encrypt the bucket",
        "EnableNetworkIsolation": "a NetworkPolicy can forbid all but the object store",
        "ExecutionRoleArn": _ROLE,
        "ExplainerConfig": "no explainer",
        "KmsKeyId": "encrypt the nodes' disks",
        "MetricsConfig": "Prometheus reads /metrics",
        "ProductionVariants.AcceleratorPartitionLayouts": "ask for the partitions' resource names",
        "ProductionVariants.AcceleratorType": "there are no such accelerators",
        "ProductionVariants.CapacityReservationConfig": "capacity is the cluster's",
        "ProductionVariants.CoreDumpConfig": "the nodes keep core dumps, if they do",
        "ProductionVariants.EnableSSMAccess": "`kubectl exec` does the same",
        "ProductionVariants.InferenceAmiVersion": "nodes have the cluster's system",
        "ProductionVariants.InstancePools": "the scheduler's: a node affinity",
        "ProductionVariants.ManagedInstanceScaling.ScaleInPolicy": "the autoscaler's field `behavior`",
        "ProductionVariants.ModelDataDownloadTimeoutInSeconds": "an init container has no time limit",
        "ProductionVariants.RoutingConfig": "a Service spreads requests at random",
        "ProductionVariants.ServerlessConfig.MaxConcurrency": "a server is always there",
        "ProductionVariants.ServerlessConfig.ProvisionedConcurrency": "a server is always there",
        "ProductionVariants.VariantInstanceProvisionTimeoutInSeconds": "pods wait for nodes",
        "ShadowProductionVariants": "no shadows; a mesh can mirror requests",
        "VpcConfig": _NETWORK,
    },
)
