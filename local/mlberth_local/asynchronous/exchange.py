"""One request to the containers of an instance: a file goes in, a file comes out, whatever their size."""

from __future__ import annotations

import http.client
import shutil
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from mlberth_local import model_errors
from mlberth_local.asynchronous.inference import Inference

_PIECE = 256 * 1024


class InstanceGoneError(Exception):
    """The instance took nothing of the request: another one can have it."""


class FailedError(Exception):
    """The containers have given no answer; the text says why."""


@dataclass(frozen=True)
class Answer:
    """An answer, as a file."""

    path: Path
    content_type: str


def send(
    inference: Inference, ports: list[int], names: list[str], source: Path, scratch: Path, *, timeout: float
) -> Answer:
    """Pass a body through the containers at some ports, in their order; returns the last one's answer.

    Raises InstanceGoneError if nothing listens at the first port, else FailedError.
    """
    content_type = inference.content_type
    for number, (port, name) in enumerate(zip(ports, names, strict=True)):
        headers = {
            "Content-Type": content_type,
            "Accept": inference.accept if number == len(ports) - 1 else "",
            "X-Amzn-SageMaker-Inference-Id": inference.inference_id,
            "X-Amzn-SageMaker-Custom-Attributes": inference.custom_attributes,
            "Content-Length": str(source.stat().st_size),
        }
        target = scratch.with_name(f"{scratch.name}.{number}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, blocksize=_PIECE)
        try:
            content_type = _exchange(connection, headers, source, target, name)
        except (ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected) as error:
            if number == 0:
                raise InstanceGoneError(str(error)) from error
            raise FailedError(model_errors.no_answer(name, error)) from error
        except TimeoutError as error:
            raise FailedError(model_errors.timed_out(name)) from error
        except (OSError, http.client.HTTPException) as error:
            raise FailedError(model_errors.no_answer(name, error)) from error
        finally:
            connection.close()
        source = target
    return Answer(source, content_type)


def _exchange(
    connection: http.client.HTTPConnection, headers: dict[str, str], source: Path, target: Path, name: str
) -> str:
    with source.open("rb") as body:
        given = {key: value for key, value in headers.items() if value}
        connection.request("POST", "/invocations", body, given)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            said = response.read(_PIECE)
            raise FailedError(model_errors.received(response.status, name, said))
        with target.open("wb") as file:
            shutil.copyfileobj(response, file, _PIECE)
    return response.headers.get("Content-Type", "")
