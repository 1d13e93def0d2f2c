"""TargetModel: the model that a request asks for. Source: multi-model endpoints of the platform."""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from mlberth_local.errors import ServiceError

_MOST_SHOWN = 200


def checked_target(endpoint: str, request_id: str, given: str | None, *, multi_model: bool) -> str | None:
    """Return a request's target model, if it has one.

    Raises `ServiceError` if it needs one and has none, or the other way round, or has none that can be.
    """
    # `MultiDataModel.list_models` of the SDK returns paths with a slash before them if the prefix has none.
    target = given.removeprefix("/") if given else given
    if not multi_model:
        if target is None:
            return None
        text = f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header."
    elif target is None:
        text = f"Request {request_id} is missing a target model header."
    elif not is_key(target):
        text = (
            f"Target model {target[:_MOST_SHOWN]!r} is not the path of an object below the model's "
            "ModelDataUrl: it has an empty part, '.' or '..'."
        )
    else:
        return target
    raise ServiceError("ValidationError", text)


def is_key(target: str) -> bool:
    """Return whether a target model is a path that leads downwards, part by part."""
    return not any(part in ("", ".", "..") for part in target.split("/"))


def name_of(target: str) -> str:
    """Return the name by which a container knows a model: nothing can be read from it."""
    return hashlib.sha256(target.encode()).hexdigest()


def not_ready() -> ServiceError:
    """Return the error for a request that has waited long enough: the load goes on. Source: the API."""
    text = (
        "Either a serverless endpoint variant's resources are still being provisioned, or a multi-model "
        "endpoint is still downloading or loading the target model. Wait and try your request again."
    )
    return ServiceError("ModelNotReadyException", text, HTTPStatus.TOO_MANY_REQUESTS)
