"""Names of variables that the platform, its SDKs and other containers set or read, and that are none of ours.

Source: the code of sagemaker-python-sdk (v2 and v3), sagemaker-training-toolkit, sagemaker-inference-toolkit,
sagemaker-containers, multi-model-server, and of the platform's own images.
"""

from __future__ import annotations

# Those that begin like ours; the beginnings stand for all names that other containers have of a kind.
FOREIGN_PREFIXES = (
    *("SAGEMAKER_ADMIN_", "SAGEMAKER_APP_", "SAGEMAKER_BATCHING_", "SAGEMAKER_CONFIG_", "SAGEMAKER_CORE_"),
    *(
        "SAGEMAKER_DISABLE_",
        "SAGEMAKER_DOMAIN_",
        "SAGEMAKER_ENABLE_",
        "SAGEMAKER_HUB_",
        "SAGEMAKER_INTERNAL_",
    ),
    *("SAGEMAKER_JUMPSTART_", "SAGEMAKER_LOCAL_", "SAGEMAKER_MANAGED_", "SAGEMAKER_METRICS_DIR"),
    *(
        "SAGEMAKER_MLFLOW_",
        "SAGEMAKER_MMS_",
        "SAGEMAKER_MULTI_MODEL",
        "SAGEMAKER_PIPELINE",
        "SAGEMAKER_PROJECT",
    ),
    *(
        "SAGEMAKER_PYTHON_SDK_",
        "SAGEMAKER_SERVE_",
        "SAGEMAKER_SESSION",
        "SAGEMAKER_SPACE_",
        "SAGEMAKER_SPARK",
    ),
    *("SAGEMAKER_STUDIO_", "SAGEMAKER_TFS_", "SAGEMAKER_TRITON", "SAGEMAKER_TS_", "SAGEMAKER_USER_"),
    *("SM_CHANNEL_", "SM_HP_", "SM_LLAMA_CPP_", "SM_SGLANG_", "SM_VLLM_"),
)
FOREIGN = frozenset(
    {
        "SAGEMAKER_GUNICORN_THREADS",
        "SAGEMAKER_GUNICORN_WORKER_CLASS",
        "SAGEMAKER_HANDLER",
        "SAGEMAKER_HYPERPARAMETERS",
        "SAGEMAKER_INFERENCE_ACCELERATOR_PRESENT",
        "SAGEMAKER_INFERENCE_CODE",
        "SAGEMAKER_INFERENCE_CODE_DIRECTORY",
        "SAGEMAKER_INFERENCE_SUPPORTED",
        "SAGEMAKER_INSTANCE_TYPE",
        "SAGEMAKER_MAX_DIRECT_MEMORY_SIZE",
        "SAGEMAKER_MAX_HEAP_SIZE",
        "SAGEMAKER_MODEL_DIR",
        "SAGEMAKER_MODEL_SERVER_VMARGS",
        "SAGEMAKER_NETWORK_INTERFACE_NAME",
        "SAGEMAKER_PATHS",
        "SAGEMAKER_PROCESSING_JOB_NAME",
        "SAGEMAKER_STARTUP_TIMEOUT",
        "SAGEMAKER_TRAINING_JOB_NAME",
        "SM_JOB_NAME",
        "SM_LOG_LEVEL",
        "SM_MASTER_ADDR",
        "SM_MASTER_PORT",
        "SM_MODEL_DIR",
        "SM_MODULE_DIR",
    }
)


def is_foreign(name: str) -> bool:
    """Return whether somebody else means something by a variable of this name."""
    return name in FOREIGN or name.startswith(FOREIGN_PREFIXES)
