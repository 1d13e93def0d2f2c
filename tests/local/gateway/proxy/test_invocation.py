"""Tests of InvokeEndpoint, by the unmodified client."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from tests.local.conftest import SECRET
from tests.local.gateway.platform import GatewayPlatform, endpoint, instance, one_port, variant
from tests.local.gateway.servers import Container, Received, Said, container
from tests.support import free_port, wait_until, within


def failed(platform: GatewayPlatform, **request: Any) -> dict[str, Any]:
    """Return the answer to a request that must fail, as the client has parsed it."""
    with pytest.raises(ClientError) as raised:
        platform.runtime.invoke_endpoint(**{"EndpointName": "e", "Body": b"1", **request})
    return dict(raised.value.response)


def test_what_passes_both_ways(platform: GatewayPlatform) -> None:
    """A container gets the headers of its contract and no others; so does the client."""
    said = {
        "Content-Type": "text/plain; charset=utf-8",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=9",
        "X-Amzn-SageMaker-New-Session-Id": "s; Expires=2030-01-01T00:00:00Z",
        "X-Secret": "no",
    }
    with container(lambda _: Said(b"4.5", headers=said)) as one:
        platform.serve(one_port(one.port))
        found = platform.runtime.invoke_endpoint(
            EndpointName="e",
            Body=b"1,2",
            ContentType="text/csv",
            Accept="text/plain",
            CustomAttributes="trace=7",
            InferenceId="id-1",
            TargetVariant="AllTraffic",
        )
        assert found["Body"].read() == b"4.5"
        assert found["ContentType"] == "text/plain; charset=utf-8"
        assert found["InvokedProductionVariant"] == "AllTraffic"
        assert found["CustomAttributes"] == "trace=9"
        assert found["NewSessionId"] == said["X-Amzn-SageMaker-New-Session-Id"]
        assert "x-secret" not in found["ResponseMetadata"]["HTTPHeaders"]
        (received,) = one.received
    assert (received.path, received.body) == ("/invocations", b"1,2")
    assert {name.lower(): value for name, value in received.headers.items() if name != "Host"} == {
        "content-length": "3",
        "content-type": "text/csv",
        "accept": "text/plain",
        "x-amzn-sagemaker-custom-attributes": "trace=7",
        "x-amzn-sagemaker-inference-id": "id-1",
        "x-amzn-sagemaker-target-variant": "AllTraffic",
    }


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (500, "server"), (503, "server")])
def test_an_error_of_the_model(platform: GatewayPlatform, status: int, side: str) -> None:
    """The client gets the container's status and words, and the name of its logs."""
    with container(lambda _: Said(b'no "such" column', status)) as one:
        platform.serve(one_port(one.port))
        found = failed(platform)
    assert found["Error"]["Code"] == "ModelError"
    text = f'Received {side} error ({status}) from primary with message "no "such" column". See '
    assert found["Error"]["Message"].startswith(text)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert found["OriginalStatusCode"] == status
    assert found["OriginalMessage"] == 'no "such" column'
    assert found["LogStreamArn"].endswith(":log-group:/aws/sagemaker/Endpoints/e")


def test_a_long_message_is_cut(platform: GatewayPlatform) -> None:
    with container(lambda _: Said(b"x" * 5000, 500)) as one:
        platform.serve(one_port(one.port))
        assert failed(platform)["OriginalMessage"] == "x" * 2048


def test_names_that_are_not_there(platform: GatewayPlatform) -> None:
    with container() as one:
        platform.serve(one_port(one.port))
        unknown = failed(platform, EndpointName="other")
        assert unknown["Error"] == {
            "Code": "ValidationError",
            "Message": "Endpoint other of account 000000000000 not found.",
        }
        variant_error = failed(platform, TargetVariant="blue")
        assert variant_error["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert "Variant blue not found for endpoint e" in variant_error["Error"]["Message"]
        assert failed(platform, TargetContainerHostname="c")["Error"]["Code"] == "ValidationError"
        assert not one.received


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("CustomAttributes", "a" * 1025, "'customAttributes' failed to satisfy constraint: Member must have"),
        ("InferenceId", "a" * 65, "length less than or equal to 64"),
        ("InferenceComponentName", "c", "Inference Component c of account 000000000000 not found."),
    ],
)
def test_members_that_are_refused(platform: GatewayPlatform, member: str, value: str, words: str) -> None:
    with container() as one:
        platform.serve(one_port(one.port))
        found = failed(platform, **{member: value})
        assert (found["Error"]["Code"], words in found["Error"]["Message"]) == ("ValidationError", True)
        assert not one.received


def test_sizes(platform: GatewayPlatform) -> None:
    """20 MB pass; 26 MB get an answer that speaks of the size, also if they come in chunks."""
    with container() as one:
        platform.serve(one_port(one.port))
        body = random.Random(1).randbytes(20 * 1024 * 1024)
        found = platform.runtime.invoke_endpoint(EndpointName="e", Body=body)
        assert found["Body"].read() == body
        large = b"x" * (26 * 1024 * 1024)
        error = failed(platform, Body=large)
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 413
        assert "too large" in error["Error"]["Message"]
        pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
        chunked = requests.post(f"{platform.url}/endpoints/e/invocations", data=pieces, timeout=30)
        assert chunked.status_code == 413
        small = requests.post(f"{platform.url}/endpoints/e/invocations", data=iter([b"a", b"b"]), timeout=30)
        assert small.content == b"ab"
        assert len(one.received) == 2


def test_no_instance_answers(platform: GatewayPlatform) -> None:
    platform.serve(endpoint(variant(), variant(instance(free_port()), name="dead", weight=0)))
    for target in ("AllTraffic", "dead"):
        found = failed(platform, TargetVariant=target)
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert found["Error"]["Code"] == "ServiceUnavailable"


def test_an_instance_that_refuses_is_passed_over(platform: GatewayPlatform) -> None:
    """A request that no program has got goes to another instance."""
    with container() as one:
        dead = instance(free_port(), name="dead")
        platform.serve(endpoint(variant(dead, instance(one.port, name="alive"))))
        for _ in range(10):
            platform.runtime.invoke_endpoint(EndpointName="e", Body=b"1")
        assert len(one.received) == 10


def test_a_container_that_does_not_answer_in_time(hurried: GatewayPlatform) -> None:
    release = threading.Event()

    def wait(_: Received) -> Said:
        release.wait(20)
        return Said()

    with container(wait) as one:
        hurried.serve(one_port(one.port))
        started = time.monotonic()
        found = failed(hurried)
        release.set()
    assert 1 <= time.monotonic() - started < within(3)
    assert (found["Error"]["Code"], found["OriginalStatusCode"]) == ("ModelError", 0)
    assert "timed out while waiting for a response from container primary" in found["OriginalMessage"]


def test_a_container_that_dies_with_a_request(platform: GatewayPlatform) -> None:
    """It may have done what it was asked, so that nobody else is asked for it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def die() -> None:
        connection, _ = listening.accept()
        connection.recv(10_000)
        connection.close()

    thread = threading.Thread(target=die)
    thread.start()
    with container() as other:
        dying, fine = instance(listening.getsockname()[1], name="a"), instance(other.port, name="b")
        platform.serve(endpoint(variant(dying), variant(fine, name="other", weight=0)))
        found = failed(platform)
        assert not other.received
    thread.join()
    listening.close()
    assert found["Error"]["Code"] == "ModelError"
    assert "closed the connection before it answered" in found["OriginalMessage"]


def test_a_connection_that_was_closed_while_idle(platform: GatewayPlatform) -> None:
    """The container's server may close a kept connection at any time: no request fails of it."""
    with container(close_after=True) as one:
        platform.serve(one_port(one.port))
        client = platform.runtime
        for number in range(20):
            body = str(number).encode()
            assert client.invoke_endpoint(EndpointName="e", Body=body)["Body"].read() == body
            wait_until(partial(_has_closed, one, number + 1))
        assert [request.body for request in one.received] == [str(n).encode() for n in range(20)]


def _has_closed(one: Container, connections: int) -> bool:
    return one.closed == connections


def test_connections_to_containers_are_kept(platform: GatewayPlatform) -> None:
    with container() as one:
        platform.serve(one_port(one.port))
        client = platform.runtime
        for _ in range(10):
            client.invoke_endpoint(EndpointName="e", Body=b"1")
        assert len({request.client for request in one.received}) == 1


def test_weights(platform: GatewayPlatform) -> None:
    """A variant's part is its weight; one with 0 gets what names it."""
    with container() as a, container() as b, container() as c:
        platform.serve(
            endpoint(
                variant(instance(a.port), name="a", weight=3),
                variant(instance(b.port), name="b", weight=1),
                variant(instance(c.port), name="c", weight=0),
            )
        )
        client = platform.runtime
        found = Counter(
            client.invoke_endpoint(EndpointName="e", Body=b"1")["InvokedProductionVariant"]
            for _ in range(200)
        )
        assert found["a"] + found["b"] == 200
        assert 115 <= found["a"] <= 185
        assert client.invoke_endpoint(EndpointName="e", TargetVariant="c", Body=b"1")["Body"].read() == b"1"
        assert len(c.received) == 1


def test_the_instance_with_the_least_in_flight(platform: GatewayPlatform) -> None:
    """A slow instance does not get the requests that others could take."""
    release = threading.Event()

    def slow(_: Received) -> Said:
        release.wait(5)
        return Said()

    with container(slow) as busy, container() as free:
        platform.serve(endpoint(variant(instance(busy.port, name="busy"), instance(free.port, name="free"))))
        client = platform.runtime
        threads = []
        for _ in range(20):
            if busy.received:
                break
            thread = threading.Thread(
                target=client.invoke_endpoint, kwargs={"EndpointName": "e", "Body": b"1"}
            )
            thread.start()
            threads.append(thread)
            thread.join(0.05)
        for _ in range(20):
            client.invoke_endpoint(EndpointName="e", Body=b"1")
        assert len(busy.received) == 1
        release.set()
        for thread in threads:
            thread.join(5)


def test_a_pipeline(platform: GatewayPlatform) -> None:
    """A container's body and media type are the next one's request; the client's Accept is for the last."""
    first_said = Said(b"features", headers={"Content-Type": "application/json; charset=utf-8"})
    with container(lambda _: first_said) as first, container(lambda _: Said(b"scored")) as second:
        both = variant(instance(first.port, second.port), containers=("prepare", "score"))
        platform.serve(endpoint(both))
        found = platform.runtime.invoke_endpoint(
            EndpointName="e", Body=b"raw", ContentType="text/csv", Accept="text/plain"
        )
        assert found["Body"].read() == b"scored"
        (one,), (two,) = first.received, second.received
        assert (one.body, one.headers["content-type"], "Accept" in one.headers) == (b"raw", "text/csv", False)
        assert (two.body, two.headers["Accept"]) == (b"features", "text/plain")
        assert two.headers["content-type"] == "application/json; charset=utf-8"
        second.behaviour = lambda _: Said(b"cannot score", 500)
        assert 'Received server error (500) from score with message "cannot score"' in str(
            failed(platform)["Error"]["Message"]
        )
        first.behaviour = lambda _: Said(b"x" * (5 * 1024 * 1024 + 1))
        assert "from prepare to score is 5242881 bytes" in failed(platform)["OriginalMessage"]


def test_direct_mode(platform: GatewayPlatform) -> None:
    with container(lambda _: Said(b"a")) as first, container(lambda _: Said(b"b")) as second:
        both = variant(instance(first.port, second.port), containers=("one", "two"))
        platform.serve(endpoint(both, direct=True))
        client = platform.runtime
        found = client.invoke_endpoint(EndpointName="e", Body=b"1", TargetContainerHostname="two")
        assert found["Body"].read() == b"b"
        assert not first.received
        assert "containers of endpoint e are one, two" in failed(platform)["Error"]["Message"]
        assert failed(platform, TargetContainerHostname="x")["Error"]["Code"] == "ValidationError"


def test_a_serverless_variant_at_its_limit(platform: GatewayPlatform) -> None:
    release, begun = threading.Event(), threading.Event()

    def slow(_: Received) -> Said:
        begun.set()
        release.wait(5)
        return Said()

    with container(slow) as one:
        platform.serve(endpoint(variant(instance(one.port), max_concurrency=1)))
        client = platform.runtime
        thread = threading.Thread(target=client.invoke_endpoint, kwargs={"EndpointName": "e", "Body": b"1"})
        thread.start()
        assert begun.wait(5)
        found = failed(platform)
        release.set()
        thread.join(5)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert found["Error"]["Code"] == "ThrottlingException"


def test_signatures(platform: GatewayPlatform) -> None:
    """A key that the platform knows must sign; others are taken, as no signature is, from this machine."""
    with container() as one:
        platform.serve(one_port(one.port))
        fine = platform.client("sagemaker-runtime", key="CHECKED", secret=SECRET)
        assert fine.invoke_endpoint(EndpointName="e", Body=b"1")["Body"].read() == b"1"
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            platform.client("sagemaker-runtime", key="CHECKED", secret="wrong").invoke_endpoint(
                EndpointName="e", Body=b"1"
            )
        url = f"{platform.url}/endpoints/e/invocations"
        assert requests.post(url, b"1", timeout=5).content == b"1"
        page = requests.post(url, b"1", headers={"Origin": "http://evil.example"}, timeout=5)
        assert page.status_code == 403
        assert len(one.received) == 2
