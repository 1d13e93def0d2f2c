"""The table of SageMaker's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.sagemaker import models, processing_jobs, tags, training_jobs, transform_jobs

# Each file of a resource has tables of these two names.
OPERATIONS: dict[str, Operation] = {
    **models.OPERATIONS,
    **processing_jobs.OPERATIONS,
    **tags.OPERATIONS,
    **training_jobs.OPERATIONS,
    **transform_jobs.OPERATIONS,
}
EXCEPTIONS: dict[str, Exceptions] = {
    **models.EXCEPTIONS,
    **processing_jobs.EXCEPTIONS,
    **tags.EXCEPTIONS,
    **training_jobs.EXCEPTIONS,
    **transform_jobs.EXCEPTIONS,
}
