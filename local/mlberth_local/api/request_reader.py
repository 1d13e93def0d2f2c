"""The request of an operation, read from an HTTP request by the form of its protocol, and checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mlberth_local.api.forms import json_form, query_form, validation, xml_form
from mlberth_local.api.routing import Route
from mlberth_local.bodies import ReceivedBody
from mlberth_local.errors import ServiceError, ValidationError, validation_message
from mlberth_local.http_request import HttpRequest

_LOG = logging.getLogger("mlberth.api")
VALIDATION_CODES = {
    "logs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
    "sts": "ValidationError",
    "iam": "ValidationError",
    "cloudwatch": "ValidationError",
    "sns": "InvalidParameter",
}
"""The services whose code for a request that fails a constraint is not ValidationException."""


def read_request(
    route: Route, request: HttpRequest, form: Mapping[str, str], body: bytes | ReceivedBody
) -> dict[str, Any]:
    """Return the checked request of an operation. Raises `ServiceError` with all faults."""
    shape = route.model.input_shape
    if route.protocol == "json":
        assert isinstance(body, bytes)
        parsed = json_form.parse(shape, body, lambda name: _warn(route, name))
    elif route.protocol == "query":
        parsed = query_form.parse(shape, {**request.query, **form})
    else:
        parsed = _rest(route, request, body)
    if shape is not None and route.service == "s3":
        _check_s3(shape, parsed)
    elif shape is not None and (found := validation.faults(shape, parsed)):
        code = VALIDATION_CODES.get(route.service)
        text = validation_message(found)
        raise ServiceError(code, text) if code else ValidationError(text)
    return parsed


def _check_s3(shape: Any, parsed: Mapping[str, Any]) -> None:
    """Raise S3's errors for a body, and values of headers and the query, that the model does not allow."""
    body = shape.serialization.get("payload")
    if body in shape.required_members and body not in parsed:
        raise ServiceError("MissingRequestBodyError", "Request Body is empty")
    for name, value in parsed.items():
        member = shape.members[name]
        if name == body and member.type_name == "structure":
            if found := validation.faults(member, value):
                raise ServiceError("MalformedXML", f"{xml_form.NOT_VALID}: {validation_message(found)}")
        elif member.serialization.get("location") in {"header", "querystring"} and (
            found := validation.faults(member, value)
        ):
            code = "InvalidStorageClass" if name == "StorageClass" else "InvalidArgument"
            raise ServiceError(code, f"{name}: {validation_message(found)}")


def _warn(route: Route, name: str) -> None:
    _LOG.warning(
        "%s: the parameter %s is not in this botocore's model; it has no effect", route.operation, name
    )


def _rest(route: Route, request: HttpRequest, body: bytes | ReceivedBody) -> dict[str, Any]:
    shape = route.model.input_shape
    found: dict[str, Any] = {}
    query = request.query
    for name, member in shape.members.items() if shape is not None else ():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        text = None
        if place == "uri":
            text = route.path_parameters.get(key)
        elif place == "querystring":
            text = query.get(key)
        elif place == "header":
            text = request.headers.get(key)
        elif place == "headers":
            found[name] = {
                header[len(key) :].lower(): value
                for header, value in request.headers.items()
                if header.lower().startswith(key.lower())
            }
        if text is not None:
            found[name] = _plain(member, name, text)
    if shape is not None:
        found |= _payload(route, shape, body)
    return found


def _plain(member: Any, name: str, text: str) -> Any:
    if member.type_name == "list":
        return [part.strip() for part in text.split(",")]
    try:
        return xml_form.scalar(member, text)
    except (ValueError, OverflowError) as error:
        raise ServiceError(
            "InvalidArgument", f"Found {text!r} for {name}; expected a {member.type_name}."
        ) from error


def _payload(route: Route, shape: Any, body: bytes | ReceivedBody) -> dict[str, Any]:
    """Return the members that are in the body."""
    name = shape.serialization.get("payload")
    if name is None:
        if route.protocol == "rest-json" and isinstance(body, bytes) and body:
            return json_form.parse(shape, body, lambda member: _warn(route, member))
        return {}
    member = shape.members[name]
    if member.type_name == "structure":
        assert isinstance(body, bytes)
        if not body:
            return {}
        if route.protocol == "rest-xml":
            return {name: xml_form.parse(member, body)}
        return {name: json_form.parse(member, body, lambda unknown: _warn(route, unknown))}
    return {name: body}
