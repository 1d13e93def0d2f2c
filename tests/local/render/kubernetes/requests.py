"""Requests of every kind, as clients of the platform write them."""

from __future__ import annotations

from typing import Any

TRAINING: dict[str, Any] = {
    "TrainingJobName": "Iris-2026-11",
    "AlgorithmSpecification": {
        "TrainingImage": "registry.example.com/iris-train:1",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    },
    "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
    "HyperParameters": {"max_depth": "3"},
    "Environment": {"GREETING": "$(HOME) stays text"},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://bucket/iris/train/",
                    "S3DataDistributionType": "ShardedByS3Key",
                }
            },
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/jobs"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
}
SPOT: dict[str, Any] = {
    **TRAINING,
    "CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints/iris"},
    "RetryStrategy": {"MaximumRetryAttempts": 7},
    "EnableManagedSpotTraining": True,
    "EnableNetworkIsolation": False,
    "Tags": [{"Key": "team", "Value": "flowers + more"}],
    "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
}
HOSTS: dict[str, Any] = {
    **TRAINING,
    "TrainingJobName": "iris-hosts",
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
}
GROUPS: dict[str, Any] = {
    **TRAINING,
    "HyperParameters": {"sagemaker_submit_directory": "s3://bucket/code.tar.gz", "sagemaker_program": "t.py"},
    "ResourceConfig": {
        "InstanceGroups": [
            {"InstanceGroupName": "data", "InstanceType": "ml.m5.large", "InstanceCount": 1},
            {"InstanceGroupName": "dnn", "InstanceType": "ml.g5.12xlarge", "InstanceCount": 2},
        ],
        "VolumeSizeInGB": 5,
    },
}
PROCESSING: dict[str, Any] = {
    "ProcessingJobName": "prepare",
    "RoleArn": "arn:aws:iam::000000000000:role/mlberth",
    "AppSpecification": {
        "ImageUri": "registry.example.com/prepare:1",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/prepare.py"],
        "ContainerArguments": ["--share", "$(0.2)"],
    },
    "ProcessingInputs": [
        {
            "InputName": "code",
            "S3Input": {
                "S3Uri": "s3://bucket/code/prepare.py",
                "LocalPath": "/opt/ml/processing/input/code",
                "S3DataType": "S3Prefix",
            },
        },
        {
            "InputName": "rows",
            "S3Input": {
                "S3Uri": "s3://bucket/rows/",
                "LocalPath": "/opt/ml/processing/rows/",
                "S3DataType": "S3Prefix",
                "S3InputMode": "Pipe",
            },
        },
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {
                "OutputName": "train",
                "S3Output": {
                    "S3Uri": "s3://bucket/prepared/train",
                    "LocalPath": "/opt/ml/processing/train",
                    "S3UploadMode": "Continuous",
                },
            }
        ]
    },
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
    },
}
MODEL: dict[str, Any] = {
    "ModelName": "iris",
    "PrimaryContainer": {
        "Image": "registry.example.com/mlberth-serve:sklearn",
        "ModelDataUrl": "s3://bucket/iris/model.tar.gz",
        "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    },
    "ExecutionRoleArn": "arn:aws:iam::000000000000:role/mlberth",
}
CONFIG: dict[str, Any] = {
    "EndpointConfigName": "iris",
    "ProductionVariants": [
        {
            "VariantName": "AllTraffic",
            "ModelName": "iris",
            "InitialInstanceCount": 2,
            "InstanceType": "ml.c5.large",
            "ContainerStartupHealthCheckTimeoutInSeconds": 120,
            "ManagedInstanceScaling": {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 4},
        }
    ],
    "DataCaptureConfig": {
        "EnableCapture": True,
        "InitialSamplingPercentage": 10,
        "DestinationS3Uri": "s3://bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    },
}
TWO_VARIANTS: dict[str, Any] = {
    "EndpointConfigName": "iris-test",
    "ProductionVariants": [
        {"VariantName": name, "ModelName": "iris", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
        for name in ("Old", "New")
    ],
}
