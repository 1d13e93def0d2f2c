"""The operation that a request asks for: by target, credential scope, version, or method and path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from mlberth_local.api.forms.models import BY_SCOPE, BY_TARGET, BY_VERSION, SERVICES, is_known, service_model
from mlberth_local.errors import ServiceError, UnknownOperationError
from mlberth_local.http_request import HttpRequest

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/]*/(?P<service>[^/]+)/aws4_request")
_RUNTIME = re.compile(r"^/endpoints/[^/]+/(?:async-)?invocations")


@dataclass(frozen=True)
class Route:
    """An operation of a service, and the form that its request and answer have."""

    service: str
    operation: str
    protocol: str
    """`json`, `query`, `rest-json` or `rest-xml`."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> Any:
        """The `botocore.model.OperationModel`."""
        return service_model(self.service).operation_model(self.operation)


def find_route(request: HttpRequest, form: Mapping[str, str]) -> Route:
    """Return the operation of a request; `form` has the parameters of a body in the query protocol.

    Raises `ServiceError` if no service here has it.
    """
    if target := request.headers.get("X-Amz-Target"):
        prefix, _, operation = target.rpartition(".")
        return _named(BY_TARGET.get(prefix), operation, "json", prefix)
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        raise UnknownOperationError("The protocol rpc-v2-cbor is not spoken here; expected JSON or query.")
    scope = credential_scope(request)
    parameters = {**request.query, **form}
    if "Action" in parameters and (
        request.form
        or scope in {"sts", "iam", "monitoring", "sns"}
        or parameters.get("Version") in BY_VERSION
    ):
        service = BY_SCOPE.get(scope, (None,))[0] if scope else BY_VERSION.get(parameters.get("Version", ""))
        return _named(service, parameters["Action"], "query", scope or parameters.get("Version", ""))
    if scope == "sagemaker" or (not scope and _RUNTIME.match(request.raw_path)):
        return rest_route("sagemaker-runtime", request, request.raw_path)
    if scope and scope not in BY_SCOPE:
        raise UnknownOperationError(f"There is no service {scope!r} here; there are {', '.join(SERVICES)}.")
    return rest_route("s3", request, request.path_style)


def credential_scope(request: HttpRequest) -> str:
    """Return the service that the request was signed for; "" if it is not signed by SigV4."""
    credential = request.headers.get("Authorization", "")
    if not credential:
        credential = f"Credential={request.query.get('X-Amz-Credential', '')}"
    found = _SCOPE.search(credential)
    return found["service"] if found else ""


def protocol_of(request: HttpRequest) -> str:
    """Return the protocol of a request whose operation is not known."""
    if request.headers.get("X-Amz-Target"):
        return "json"
    if request.form:
        return "query"
    return "rest-json" if credential_scope(request) not in {"", "s3"} else "rest-xml"


def _named(service: str | None, operation: str, protocol: str, place: str) -> Route:
    if service is None:
        raise UnknownOperationError(
            f"There is no service {place!r} with {operation!r} here; there are {', '.join(SERVICES)}."
        )
    if not is_known(service, operation):
        if protocol == "query":
            raise ServiceError("InvalidAction", f"Could not find operation {operation} for {service}.")
        raise UnknownOperationError(f"The service {service} has no operation {operation!r}.")
    return Route(service, operation, protocol)


@dataclass(frozen=True)
class _Pattern:
    """A method and URI of a model, and the parameters that it cannot be without."""

    operation: str
    method: str
    path: re.Pattern[str]
    names: tuple[str, ...]
    literals: frozenset[tuple[str, str]]
    query: frozenset[str]
    headers: frozenset[str]

    def parameters(self, request: HttpRequest, path: str) -> dict[str, str] | None:
        """Return the parameters in the path; None if the request is not of this operation."""
        if request.method != self.method or not (found := self.path.fullmatch(path)):
            return None
        query = request.query
        if not all(query.get(name) == value if value else name in query for name, value in self.literals):
            return None
        if not self.query <= query.keys() or any(name not in request.headers for name in self.headers):
            return None
        values = (unquote(value) for value in found.groups())
        return dict(zip(self.names, values, strict=True))

    @property
    def weight(self) -> int:
        """How much it asks for: of several that fit, the most demanding is meant."""
        return len(self.literals) + len(self.query) + len(self.headers)


def rest_route(service: str, request: HttpRequest, path: str) -> Route:
    """Return the operation of a REST service whose method, path and required parameters fit best."""
    protocol = service_model(service).metadata["protocol"]
    for pattern in _patterns(service):
        parameters = pattern.parameters(request, path)
        if parameters is not None:
            return Route(service, pattern.operation, protocol, parameters)
    raise UnknownOperationError(
        f"The service {service} has no operation for {request.method} {unquote(path)}."
    )


@lru_cache
def _patterns(service: str) -> tuple[_Pattern, ...]:
    model = service_model(service)
    patterns = [_pattern(model.operation_model(name)) for name in model.operation_names]
    return tuple(sorted(patterns, key=lambda one: -one.weight))


def _pattern(operation: Any) -> _Pattern:
    path, _, query = operation.http["requestUri"].partition("?")
    expression, names = "", []
    for text, name in re.findall(r"([^{]*)(?:\{([^}]+)\})?", path):
        expression += re.escape(text)
        if name:
            names.append(name.removesuffix("+"))
            expression += "(.+)" if name.endswith("+") else "([^/]+)"
    shape = operation.input_shape
    required = [shape.members[name] for name in shape.required_members] if shape else []
    by_place = {
        place: frozenset(
            member.serialization["name"]
            for member in required
            if member.serialization.get("location") == place
        )
        for place in ("querystring", "header")
    }
    return _Pattern(
        operation.name,
        operation.http["method"],
        # A bucket's own path may end in a slash.
        re.compile(expression if expression.endswith("(.+)") else f"{expression}/?" if names else expression),
        tuple(names),
        frozenset(parse_qsl(query, keep_blank_values=True)),
        by_place["querystring"],
        by_place["header"],
    )
