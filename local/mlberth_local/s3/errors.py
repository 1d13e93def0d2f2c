"""S3's errors, in its wording."""

from __future__ import annotations

from http import HTTPStatus

from mlberth_local.errors import ServiceError


def no_such_bucket(bucket: str) -> ServiceError:
    """Return the error for a bucket that is not there."""
    return ServiceError(
        "NoSuchBucket", f"The specified bucket does not exist: {bucket}", HTTPStatus.NOT_FOUND
    )


def no_such_key(key: str) -> ServiceError:
    """Return the error for an object that is not there."""
    return ServiceError("NoSuchKey", f"The specified key does not exist: {key}", HTTPStatus.NOT_FOUND)


def no_such_upload() -> ServiceError:
    """Return the error for a multipart upload that is not there."""
    text = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
        "aborted or completed."
    )
    return ServiceError("NoSuchUpload", text, HTTPStatus.NOT_FOUND)


def precondition_failed(name: str) -> ServiceError:
    """Return the error for a condition of the request that does not hold."""
    text = f"At least one of the pre-conditions you specified did not hold: {name}"
    return ServiceError("PreconditionFailed", text, HTTPStatus.PRECONDITION_FAILED)


def invalid_argument(message: str) -> ServiceError:
    """Return the error for a parameter that S3 does not take."""
    return ServiceError("InvalidArgument", message)


def invalid_request(message: str) -> ServiceError:
    """Return the error for parameters that do not go together."""
    return ServiceError("InvalidRequest", message)
