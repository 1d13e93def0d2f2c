"""Answers and errors of operations as HTTP, by the form of their protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from mlberth_local.api.forms import json_form, xml_form
from mlberth_local.api.http_answer import HttpAnswer
from mlberth_local.api.routing import Route
from mlberth_local.bodies import FileBody
from mlberth_local.errors import ServiceError

S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def answer(route: Route, result: Mapping[str, Any], request_id: str) -> HttpAnswer:
    """Return the answer of an operation in its protocol."""
    shape = route.model.output_shape
    if route.protocol == "json":
        version = route.model.service_model.metadata.get("jsonVersion", "1.1")
        body = json_form.serialise(shape, result) if shape is not None else b""
        headers = {"Content-Type": f"application/x-amz-json-{version}"} if body else {}
        return HttpAnswer(HTTPStatus.OK, headers, body)
    if route.protocol == "query":
        return HttpAnswer(HTTPStatus.OK, {"Content-Type": "text/xml"}, _query(route, result, request_id))
    return _rest(route, result)


def _query(route: Route, result: Mapping[str, Any], request_id: str) -> bytes:
    shape, name = route.model.output_shape, route.operation
    wrapper = shape.serialization.get("resultWrapper", f"{name}Result") if shape is not None else ""
    inner = f"<{wrapper}>{xml_form.inner(shape, result)}</{wrapper}>" if wrapper else ""
    namespace = route.model.service_model.metadata.get("xmlNamespace", "")
    return (
        f'<{name}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
    ).encode()


def _rest(route: Route, result: Mapping[str, Any]) -> HttpAnswer:
    shape = route.model.output_shape
    status = route.model.http.get("responseCode", HTTPStatus.OK)
    if shape is None:
        return HttpAnswer(status)
    headers: dict[str, str] = {}
    for name, value in result.items():
        member = shape.members.get(name)
        place = member.serialization.get("location") if member is not None else None
        key = member.serialization.get("name", name) if member is not None else name
        if place == "header" and value is not None:
            headers[key] = _header(member, value)
        elif place == "headers":
            headers |= {f"{key}{item}": text for item, text in (value or {}).items()}
        elif place == "statusCode" and value is not None:
            status = value
    # What the model has no member for: the status of a partial answer.
    status = result.get("__status__", status)
    body = _rest_body(route, shape, result)
    if isinstance(body, bytes) and body:
        headers.setdefault(
            "Content-Type", "application/xml" if route.protocol == "rest-xml" else "application/json"
        )
    return HttpAnswer(status, headers, body)


def _header(member: Any, value: Any) -> str:
    if member.type_name == "timestamp":
        return xml_form.timestamp(value, member.serialization.get("timestampFormat", "rfc822"))
    return header_text(str(value).lower() if isinstance(value, bool) else str(value))


def header_text(text: str) -> str:
    """Return a text as a header can have it."""
    return text if text.isascii() else quote(text, safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}~")


def _rest_body(route: Route, shape: Any, result: Mapping[str, Any]) -> bytes | FileBody:
    payload = shape.serialization.get("payload")
    if payload:
        value, member = result.get(payload), shape.members[payload]
        if member.type_name != "structure" or value is None:
            return value if value is not None else b""
        return _document(route, member, value, member.serialization.get("name", payload))
    if route.operation == "GetBucketLocation":  # the one answer whose root has the text itself
        member = shape.members["LocationConstraint"]
        return xml_form.serialise(
            member, result.get("LocationConstraint") or "", "LocationConstraint", S3_NAMESPACE
        )
    if not any("location" not in member.serialization for member in shape.members.values()):
        return b""
    return _document(route, shape, result, _root(route, shape))


def _document(route: Route, shape: Any, value: Mapping[str, Any], root: str) -> bytes:
    if route.protocol == "rest-json":
        return json_form.serialise(shape, value)
    return xml_form.serialise(shape, value, root, S3_NAMESPACE)


_S3_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "DeleteObjects": "DeleteResult",
    "GetObjectTagging": "Tagging",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
}


def _root(route: Route, shape: Any) -> str:
    return _S3_ROOTS.get(route.operation, str(shape.name))


def error_answer(
    route: Route | None, protocol: str, error: ServiceError, request_id: str, *, resource: str
) -> HttpAnswer:
    """Return an error in the form of a protocol; `route` is None if no operation was found."""
    if protocol == "json":
        return _json_error(route, error)
    if protocol == "rest-json":
        body = json.dumps({"Message": error.message, "message": error.message}).encode()
        return HttpAnswer(
            error.status, {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}, body
        )
    if protocol == "query":
        namespace = route.model.service_model.metadata.get("xmlNamespace", "") if route else ""
        ours = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        body = xml_form.query_error(error.code, error.message, request_id, namespace=namespace, ours=ours)
        return HttpAnswer(error.status, {"Content-Type": "text/xml"}, body)
    if error.status == HTTPStatus.NOT_MODIFIED:
        return HttpAnswer(error.status, error.headers)
    body = xml_form.error(error.code, error.message, request_id, resource)
    return HttpAnswer(error.status, {"Content-Type": "application/xml", **error.headers}, body)


def _json_error(route: Route | None, error: ServiceError) -> HttpAnswer:
    version = route.model.service_model.metadata.get("jsonVersion", "1.1") if route else "1.1"
    headers = {"Content-Type": f"application/x-amz-json-{version}"}
    if route and "awsQueryCompatible" in route.model.service_model.metadata:
        sender = "Receiver" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender"
        headers["x-amzn-query-error"] = f"{error.code};{sender}"
    body = json.dumps({"__type": error.code, "message": error.message}, ensure_ascii=False)
    return HttpAnswer(error.status, headers, body.encode())
