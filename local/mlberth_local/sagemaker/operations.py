"""The table of SageMaker's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.sagemaker import (
    endpoint_configs,
    endpoints,
    models,
    processing_jobs,
    recommendation_jobs,
    tags,
    training_jobs,
    transform_jobs,
)

# Each file of a resource has tables of these two names.
OPERATIONS: dict[str, Operation] = {
    **endpoint_configs.OPERATIONS,
    **endpoints.OPERATIONS,
    **models.OPERATIONS,
    **processing_jobs.OPERATIONS,
    **recommendation_jobs.OPERATIONS,
    **tags.OPERATIONS,
    **training_jobs.OPERATIONS,
    **transform_jobs.OPERATIONS,
}
EXCEPTIONS: dict[str, Exceptions] = {
    **endpoint_configs.EXCEPTIONS,
    **endpoints.EXCEPTIONS,
    **models.EXCEPTIONS,
    **processing_jobs.EXCEPTIONS,
    **recommendation_jobs.EXCEPTIONS,
    **tags.EXCEPTIONS,
    **training_jobs.EXCEPTIONS,
    **transform_jobs.EXCEPTIONS,
}
