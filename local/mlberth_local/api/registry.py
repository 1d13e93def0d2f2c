"""The operations that are here, of every service."""

from __future__ import annotations

from mlberth_local.errors import UnknownOperationError
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.s3 import operations as s3
from mlberth_local.sagemaker import async_invocations
from mlberth_local.sagemaker import operations as sagemaker
from mlberth_local.services import ecr, iam, logs, sns, sts
from mlberth_local.services.application_autoscaling import operations as application_autoscaling
from mlberth_local.services.cloudwatch import operations as cloudwatch

OPERATIONS: dict[str, dict[str, Operation]] = {
    "sagemaker": sagemaker.OPERATIONS,
    "sagemaker-runtime": async_invocations.OPERATIONS,
    "s3": s3.OPERATIONS,
    "sts": sts.OPERATIONS,
    "iam": iam.OPERATIONS,
    "logs": logs.OPERATIONS,
    "cloudwatch": cloudwatch.OPERATIONS,
    "ecr": ecr.OPERATIONS,
    "sns": sns.OPERATIONS,
    "application-autoscaling": application_autoscaling.OPERATIONS,
}
EXCEPTIONS: dict[str, dict[str, Exceptions]] = {
    "sagemaker": sagemaker.EXCEPTIONS,
    "sagemaker-runtime": async_invocations.EXCEPTIONS,
    "s3": s3.EXCEPTIONS,
    "sts": sts.EXCEPTIONS,
    "iam": iam.EXCEPTIONS,
    "logs": logs.EXCEPTIONS,
    "cloudwatch": cloudwatch.EXCEPTIONS,
    "ecr": ecr.EXCEPTIONS,
    "sns": sns.EXCEPTIONS,
    "application-autoscaling": application_autoscaling.EXCEPTIONS,
}


def find(service: str, operation: str) -> Operation:
    """Return the function of an operation. Raises `UnknownOperationError` with the list of what is there."""
    operations = OPERATIONS.get(service, {})
    if operation in operations:
        return operations[operation]
    there = ", ".join(sorted(operations)) or "none"
    raise UnknownOperationError(
        f"The operation {operation} of {service} is not carried out here; those that are: {there}."
    )


def exceptions(service: str, operation: str) -> Exceptions:
    """Return the parameters that an operation does not carry out."""
    return EXCEPTIONS.get(service, {}).get(operation, Exceptions())
