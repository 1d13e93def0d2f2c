"""The platform's words for a container that has answered with an error, or not at all."""

from __future__ import annotations

from http import HTTPStatus

LONGEST_MESSAGE = 2048
"""Of a container's body, in characters. Source: `ModelError` of the platform's API."""


def side(status: int) -> str:
    """Return whose error a status is: `client` or `server`."""
    is_clients = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return "client" if is_clients else "server"


def original_message(body: bytes) -> str:
    """Return what is told of a container's body."""
    return body.decode(errors="replace")[:LONGEST_MESSAGE]


def received(status: int, container: str, body: bytes) -> str:
    """Return the words for an answer that is no success."""
    text = original_message(body)
    return f'Received {side(status)} error ({status}) from {container} with message "{text}".'


def timed_out(container: str) -> str:
    """Return the words for an answer that has not come in time."""
    return (
        f"Your invocation timed out while waiting for a response from container {container}. Review the "
        "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
    )


def no_answer(container: str, reason: object) -> str:
    """Return the words for a connection that ended without an answer."""
    return f"Container {container} did not answer: {reason}."
