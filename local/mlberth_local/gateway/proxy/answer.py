"""The answers of InvokeEndpoint: a container's response, or an error as the platform's API has it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from mlberth_local import model_errors
from mlberth_local.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it goes to the client, but for the headers that every one has."""

    status: int
    head: bytes
    """Lines of headers."""
    body: bytes


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """A response whose body is still to come, in parts."""

    head: bytes
    """Lines of headers."""
    parts: AsyncGenerator[bytes, None]


class ModelError(ServiceError):
    """A container answered something else than success, or not at all. Source: `ModelError` of the API."""

    def __init__(self, container: str, status: int, body: bytes, *, log_group_arn: str) -> None:
        group = log_group_arn.partition(":log-group:")[2] or log_group_arn
        super().__init__(
            "ModelError",
            f"{model_errors.received(status, container, body)} "
            f"See the log group {group} for more information.",
            HTTPStatus.FAILED_DEPENDENCY,
        )
        self.original_status = status
        self.fields = {
            "ErrorCode": f"{model_errors.side(status).upper()}_ERROR_FROM_MODEL",
            "LogStreamArn": log_group_arn,
            "OriginalMessage": model_errors.original_message(body),
            "OriginalStatusCode": status,
        }


def error(failure: ServiceError) -> Answer:
    """Return the answer for an error, in the form of the protocol rest-json."""
    fields = failure.fields if isinstance(failure, ModelError) else {}
    body = json.dumps({"Message": failure.message, "message": failure.message, **fields}).encode()
    head = f"Content-Type: application/json\r\nx-amzn-ErrorType: {failure.code}\r\n"
    return Answer(failure.status, head.encode(), body)


def encode(answer: Answer, request_id: str, *, keep: bool) -> bytes:
    """Return the bytes of an answer."""
    close = b"" if keep else b"Connection: close\r\n"
    return b"%b%b%bx-amzn-RequestId: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        _first_line(answer.status),
        answer.head,
        close,
        request_id.encode(),
        len(answer.body),
        answer.body,
    )


def encode_head(answer: StreamedAnswer, request_id: str, *, keep: bool) -> bytes:
    """Return the bytes before the parts of an answer, which is sent in chunks."""
    close = b"" if keep else b"Connection: close\r\n"
    return b"%b%b%bx-amzn-RequestId: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % (
        _first_line(HTTPStatus.OK),
        answer.head,
        close,
        request_id.encode(),
    )


@lru_cache
def _first_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
