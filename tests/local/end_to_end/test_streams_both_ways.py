"""Streams in both directions of `mlberth up --stream-port`: a client of the operation, and a handler."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import requests
from capo_sagemaker_runtime_http2 import Credentials
from capo_sagemaker_runtime_http2._services.async_sage_maker_runtime_http2 import (
    AsyncSageMakerRuntimeHTTP2Client,
)
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import deploy, port_of
from tests.support import free_port
from websockets.sync.client import connect
from zapros import AsyncStdNetworkHandler
from zapros._io._asyncio import AsyncIOTransport

HANDLER = """
def model_fn(model_dir):
    return str.upper

async def stream_fn(session, context):
    async for data, is_last in session.frames():
        await session.send(session.model(data), is_last=is_last)
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon with the endpoint `talks`."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    assert daemon.up("process", "--stream-port", str(free_port())).returncode == 0
    deploy(daemon, "talks", HANDLER)
    yield daemon
    daemon.run("down")


def test_a_client_with_the_variables_of_mlberth_env(daemon: Daemon) -> None:
    """It talks with the handler, message by message and in fragments."""
    environ = daemon.client_environ()
    sending: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def events() -> AsyncIterator[Any]:
        while event := await sending.get():
            yield {"PayloadPart": event}

    async def talk() -> None:
        context = ssl.create_default_context(cafile=environ["AWS_CA_BUNDLE"])
        async with (
            AsyncSageMakerRuntimeHTTP2Client(
                http_handler=AsyncStdNetworkHandler(transport=AsyncIOTransport(ssl_context=context)),
                endpoint=environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2"],
                region=environ["AWS_REGION"],
                credentials=Credentials(
                    access_key=environ["AWS_ACCESS_KEY_ID"], secret_key=environ["AWS_SECRET_ACCESS_KEY"]
                ),
            ) as client,
            client.invoke_endpoint_with_bidirectional_stream("talks", events()) as output,
        ):
            answers = aiter(output["body"])
            for word, state in (("ahoy", "COMPLETE"), ("who ", "PARTIAL"), ("goes there", "COMPLETE")):
                sending.put_nowait({"bytes": word.encode(), "data_type": "UTF8", "completion_state": state})
                part: Any = (await anext(answers))["PayloadPart"]  # type: ignore[typeddict-item]
                assert (part["bytes"].decode(), part["completion_state"]) == (word.upper(), state)
            sending.put_nowait({})
            assert [part async for part in answers] == []

    asyncio.run(asyncio.wait_for(talk(), 120))


def test_the_way_without_the_port(daemon: Daemon) -> None:
    """The port of all other operations says where to go; one way is the instance's own WebSocket."""
    url = f"http://127.0.0.1:{daemon.port}/endpoints/talks/invocations-bidirectional-stream"
    found = requests.post(url, data=b"", timeout=60)
    assert found.status_code == 400
    assert "mlberth up --stream-port" in found.json()["Message"]
    address = f"ws://127.0.0.1:{port_of(daemon, 'talks')}/invocations-bidirectional-stream"
    with connect(address) as client:
        client.send("ahoy")
        assert client.recv(timeout=60) == "AHOY"
