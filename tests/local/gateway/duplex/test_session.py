"""Streams in both directions through a gateway, by a client of the operation and real WebSocket servers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from capo_sagemaker_runtime_http2 import Credentials
from capo_sagemaker_runtime_http2._services.async_sage_maker_runtime_http2 import (
    AsyncSageMakerRuntimeHTTP2Client,
)
from capo_sagemaker_runtime_http2.errors import ServiceError, UnknownServiceError
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from tests.local.conftest import SECRET
from tests.local.gateway.duplex.web_sockets import SocketContainer, nothing, socket_container
from tests.local.gateway.platform import (
    GatewayPlatform,
    endpoint,
    gateway_platform,
    instance,
    one_port,
    variant,
)
from tests.support import free_port, wait_until
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from zapros import AsyncStdNetworkHandler
from zapros._io._asyncio import AsyncIOTransport

from mlberth_local.daemon.certificate import certificate


@dataclass(frozen=True)
class Platform:
    """A gateway that listens for streams."""

    gateway: GatewayPlatform
    port: int
    trusted: Path

    def run(self, work: Callable[[AsyncSageMakerRuntimeHTTP2Client], Awaitable[None]]) -> None:
        """Run a coroutine with a client that signs."""

        async def whole() -> None:
            context = ssl.create_default_context(cafile=str(self.trusted))
            handler = AsyncStdNetworkHandler(transport=AsyncIOTransport(ssl_context=context))
            credentials = Credentials(access_key="CHECKED", secret_key=SECRET)
            async with AsyncSageMakerRuntimeHTTP2Client(
                http_handler=handler,
                endpoint=f"https://127.0.0.1:{self.port}",
                region="us-east-1",
                credentials=credentials,
                retry_max_attempts=1,
            ) as client:
                await asyncio.wait_for(work(client), 120)

        asyncio.run(whole())


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Run a gateway for the tests of this file."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    public, private = certificate(home)
    duplex = {"port": port, "certificate": str(public), "key": str(private)}
    with gateway_platform(home, duplex=duplex) as found:
        yield Platform(found, port, public)


@pytest.fixture
def container(platform: Platform) -> Iterator[SocketContainer]:
    """Run a container behind the endpoint `e`."""
    with socket_container() as found:
        platform.gateway.serve(one_port(found.port))
        yield found


class Stream:
    """A stream that a client has opened."""

    def __init__(self) -> None:
        self.sending: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.answer: Any = None

    async def events(self) -> AsyncIterator[Any]:
        """Yield what is to be sent, until it is enough."""
        while (event := await self.sending.get()) is not None:
            yield {"PayloadPart": event}

    def send(self, data: bytes, **more: str) -> None:
        """Send an event."""
        self.sending.put_nowait({"bytes": data, **more})

    async def receive(self) -> dict[str, Any]:
        """Return the next event."""
        found: dict[str, Any] = (await anext(self.answer))["PayloadPart"]
        return {"bytes": b"", **found}  # the client leaves out what is empty


@asynccontextmanager
async def opened(client: AsyncSageMakerRuntimeHTTP2Client, **more: Any) -> AsyncIterator[Stream]:
    """Open a stream."""
    stream = Stream()
    async with client.invoke_endpoint_with_bidirectional_stream("e", stream.events(), **more) as output:
        assert output["invoked_production_variant"] == "AllTraffic"
        stream.answer = aiter(output["body"])
        yield stream
        stream.sending.put_nowait(None)


async def refused(client: AsyncSageMakerRuntimeHTTP2Client, name: str = "e", **more: Any) -> ServiceError:
    """Return the error that a client gets in place of a stream."""
    stream = Stream()
    stream.sending.put_nowait(None)
    with pytest.raises(ServiceError) as caught:
        async with client.invoke_endpoint_with_bidirectional_stream(name, stream.events(), **more):
            pass
    return caught.value


def test_each_event_is_a_frame(platform: Platform, container: SocketContainer) -> None:
    """Both ways, in order, one by one: text and binary, whole messages, and fragments as they are."""

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        async with opened(client) as stream:
            stream.send(b"hello", data_type="UTF8")
            assert await stream.receive() == {"bytes": b"hello", **text(last=True)}
            half, rest = "é".encode()[:1], "é".encode()[1:]
            stream.send(half, data_type="UTF8", completion_state="PARTIAL")
            assert await stream.receive() == {"bytes": half, **text(last=False)}
            stream.send(b"", data_type="UTF8", completion_state="PARTIAL")
            stream.send(rest, data_type="UTF8", completion_state="COMPLETE")
            assert await stream.receive() == {"bytes": b"", **text(last=False)}
            assert await stream.receive() == {"bytes": rest, **text(last=True)}
            stream.send(b"\x00" * 300_000)
            found = await stream.receive()
            assert (len(found["bytes"]), found["data_type"]) == (300_000, "BINARY")

    platform.run(work)
    [request] = container.requests
    assert request.path == "/invocations-bidirectional-stream"
    wait_until(lambda: container.frames[-1].opcode is Opcode.CLOSE)
    frames = [(frame.opcode, frame.fin) for frame in container.frames]
    frames.remove((Opcode.PING, True))  # it comes some time
    assert frames == [
        (Opcode.TEXT, True),
        (Opcode.TEXT, False),
        (Opcode.CONT, False),
        (Opcode.CONT, True),
        (Opcode.BINARY, True),
        (Opcode.CLOSE, True),
    ]


def text(*, last: bool) -> dict[str, str]:
    """Return the headers of an event with text."""
    return {"data_type": "UTF8", "completion_state": "COMPLETE" if last else "PARTIAL"}


def test_path_and_query_are_the_clients(platform: Platform, container: SocketContainer) -> None:
    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        async with opened(client, model_invocation_path="v1/talk", model_query_string="a=1&b=%20"):
            pass
        found = await refused(client, model_invocation_path="a b")
        assert (found.code, "modelInvocationPath" in str(found)) == ("InputValidationError", True)

    platform.run(work)
    assert [request.path for request in container.requests] == ["/v1/talk?a=1&b=%20"]


@pytest.mark.parametrize("code", [1000, 1011])
def test_the_container_closes(platform: Platform, container: SocketContainer, code: int) -> None:
    """Its code and its reason are an error of the stream, after all that it has said."""

    def close(protocol: ServerProtocol, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            protocol.send_text(b"last")
            protocol.send_close(code, "enough")

    container.behaviour = close

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        async with opened(client) as stream:
            stream.send(b"go", data_type="UTF8")
            assert (await stream.receive())["bytes"] == b"last"
            with pytest.raises(ServiceError) as caught:
                await stream.receive()
            assert caught.value.code == "ModelStreamError"
            assert caught.value.data["error_code"] == str(code)  # type: ignore[attr-defined]
            assert f'code {code} and reason "enough"' in caught.value.data["message"]  # type: ignore[attr-defined]

    platform.run(work)


def test_the_container_dies(platform: Platform, container: SocketContainer) -> None:
    """Without a close frame the stream is broken."""

    def die(protocol: ServerProtocol, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            raise OSError

    container.behaviour = die

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        async with opened(client) as stream:
            stream.send(b"go", data_type="UTF8")
            with pytest.raises(ServiceError) as caught:
                await stream.receive()
            assert caught.value.data["error_code"] == "StreamBroken"  # type: ignore[attr-defined]

    platform.run(work)


def test_the_client_is_gone(platform: Platform, container: SocketContainer) -> None:
    """A client that drops its connection leaves no session behind."""

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        async with opened(client) as stream:
            stream.send(b"hello", data_type="UTF8")
            await stream.receive()

    platform.run(work)
    wait_until(lambda: container.ended == 1)


def test_a_container_that_reads_nothing(platform: Platform, container: SocketContainer) -> None:
    """Its client can send no more than some buffers hold, and all of it arrives once the container reads."""
    container.reads.clear()
    container.behaviour = nothing
    count, piece = 400, bytes(64 * 1024)

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        async with opened(client) as stream:
            for _ in range(count):
                stream.send(piece)
            stream.sending.put_nowait({"bytes": b"end"})
            before = -1
            while stream.sending.qsize() != before:  # until nothing moves
                before = stream.sending.qsize()
                await asyncio.sleep(0.5)
            assert before > count / 4
            container.reads.set()
            while container.received < count * len(piece) + 3:
                await asyncio.sleep(0.05)

    platform.run(work)


def test_refusals(platform: Platform, container: SocketContainer) -> None:
    """Each has its own error, and the status of a container that does not consent."""

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        assert "Endpoint x of account" in str(await refused(client, "x"))
        assert "Variant v not found" in str(await refused(client, target_variant="v"))
        container.refuse = 501
        found = await refused(client)
        assert found.code == "ModelError"
        assert found.data["original_status_code"] == 501  # type: ignore[attr-defined]
        container.refuse = 0
        port = container.port
        for other, words in (
            (endpoint(variant(instance(port, port), containers=("a", "b"))), "several containers"),
            (endpoint(variant(instance(port)), asynchronous=True), "asynchronous requests alone"),
            (endpoint(variant(instance(port), max_concurrency=1)), "is serverless"),
            (endpoint(variant(instance(port), multi_model=True)), "has many models"),
        ):
            platform.gateway.serve(other)
            found = await refused(client)
            assert (found.code, words in str(found)) == ("InputValidationError", True)
        platform.gateway.serve(endpoint(variant()))
        assert (await refused(client)).code == "ServiceUnavailableError"

    platform.run(work)


def test_a_wrong_signature(platform: Platform, container: SocketContainer) -> None:
    """A key of the platform's own is checked here, too."""

    async def work(client: AsyncSageMakerRuntimeHTTP2Client) -> None:
        wrong = Credentials(access_key="CHECKED", secret_key="wrong")
        context = ssl.create_default_context(cafile=str(platform.trusted))
        async with AsyncSageMakerRuntimeHTTP2Client(
            http_handler=AsyncStdNetworkHandler(transport=AsyncIOTransport(ssl_context=context)),
            endpoint=f"https://127.0.0.1:{platform.port}",
            region="us-east-1",
            credentials=wrong,
            retry_max_attempts=1,
        ) as other:
            assert isinstance(await refused(other), UnknownServiceError)

    platform.run(work)
    assert container.requests == []


def test_a_path_with_an_empty_query(platform: Platform) -> None:
    """Amazon's own client ends its path with a question mark; another path is nothing here."""
    for path, status, said in (
        ("/endpoints/none/invocations-bidirectional-stream?", b"400", b"Endpoint none of account"),
        ("/endpoints/none/invocations", b"404", b"InvokeEndpointWithBidirectionalStream alone"),
    ):
        found = ask(platform, path)
        assert (found[0], said in found[1]) == (status, True)


def ask(platform: Platform, path: str) -> tuple[bytes, bytes]:
    """Return status and body of the answer to a request without a body."""
    context = ssl.create_default_context(cafile=str(platform.trusted))
    context.set_alpn_protocols(["h2"])
    connection = H2Connection()
    connection.initiate_connection()
    headers = {
        ":method": "POST",
        ":scheme": "https",
        ":authority": f"127.0.0.1:{platform.port}",
        ":path": path,
    }
    connection.send_headers(1, list(headers.items()), end_stream=True)
    status = body = b""
    with (
        socket.create_connection(("127.0.0.1", platform.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        while True:
            client.sendall(connection.data_to_send())
            for event in connection.receive_data(client.recv(1 << 16)):
                if isinstance(event, ResponseReceived):
                    status = dict(event.headers)[b":status"]
                elif isinstance(event, DataReceived):
                    body += event.data
                elif isinstance(event, StreamEnded):
                    return status, body
