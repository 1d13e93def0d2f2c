"""A request to an endpoint from the command line, and its answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from mlberth.errors import ContractError, Fault, PlatformError
from mlberth_local.daemon.home import Running

_SECONDS = 75.0
"""A container has 60."""
_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".libsvm": "text/libsvm",
    ".parquet": "application/x-parquet",
}
_DEFAULT_TYPE = "text/csv"
_HEADERS = {
    "accept": "Accept",
    "target_variant": "X-Amzn-SageMaker-Target-Variant",
    "target_model": "X-Amzn-SageMaker-Target-Model",
    "target_container": "X-Amzn-SageMaker-Target-Container-Hostname",
    "inference_id": "X-Amzn-SageMaker-Inference-Id",
    "custom_attributes": "X-Amzn-SageMaker-Custom-Attributes",
}
"""Flags, and the headers of InvokeEndpoint that they are."""


@dataclass(frozen=True)
class Invocation:
    """What is sent to an endpoint."""

    endpoint: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What has come back."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


def request_of(flags: Mapping[str, Any], stdin: BinaryIO) -> Invocation:
    """Return the request that the flags of `mlberth invoke` describe. Raises `ContractError`."""
    name = flags["body"]
    if name == "-":
        body = stdin.read()
    else:
        try:
            body = Path(name).read_bytes()
        except OSError as error:
            raise ContractError(
                Fault(f"--body {name}", f"it cannot be read: {error.strerror}", "")
            ) from error
    headers = {header: str(flags[flag]) for flag, header in _HEADERS.items() if flags[flag] is not None}
    kind = flags["content_type"] or content_type_of(name)
    return Invocation(flags["name"], {"Content-Type": kind, **headers}, body)


def content_type_of(name: str) -> str:
    """Return the media type that a file's name says: text/csv if it says none."""
    return _TYPES.get(Path(name).suffix, _DEFAULT_TYPE)


def send(running: Running, invocation: Invocation) -> Answer:
    """Return the endpoint's answer. Raises `PlatformError` with the service's code and words."""
    url = f"http://127.0.0.1:{running.port}/endpoints/{quote(invocation.endpoint, safe='')}/invocations"
    request = Request(url, invocation.body, dict(invocation.headers), method="POST")
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - http
            return Answer(tuple(answer.headers.items()), answer.read())
    except HTTPError as error:
        raise _failure(error) from error
    except (URLError, TimeoutError) as error:
        text = f"the platform does not answer: {getattr(error, 'reason', error)}"
        raise PlatformError(Fault(f"port {running.port}", text, "")) from error


def _failure(error: HTTPError) -> PlatformError:
    content = error.read()
    code = error.headers.get("x-amzn-ErrorType") or str(error.code)
    try:
        found = json.loads(content)
        text = str(found.get("Message") or found.get("message") or "")
    except (ValueError, AttributeError):
        text = content.decode(errors="replace")
    return PlatformError(Fault(code, text, ""))
