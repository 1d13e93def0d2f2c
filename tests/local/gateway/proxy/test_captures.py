"""Data capture by the gateway, up to the objects in a bucket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.local.gateway.platform import GatewayPlatform, endpoint, gateway_platform, instance, variant
from tests.local.gateway.servers import Received, Said, container
from tests.support import wait_until

from mlberth_local.endpoints.captured_files import deliver
from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.table import Capture
from mlberth_local.inputs.objects import FolderObjects

DESTINATION = "s3://bucket/some/prefix/"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[GatewayPlatform]:
    """Return a platform whose gateway is this test's alone."""
    with gateway_platform(tmp_path) as found:
        yield found


def captured(platform: GatewayPlatform) -> list[dict[str, Any]]:
    """Stop the gateway, and return what it has captured, from the bucket."""
    platform.gateway.stop(10)
    home = platform.platform.home
    (home / "s3" / "bucket").mkdir(parents=True)
    places = Places(home / "gateway")
    deliver(places.captured, FolderObjects(home / "s3"))
    assert list(places.captured.rglob("*.jsonl")) == []
    files = sorted((home / "s3/bucket").rglob("*.jsonl"))
    names = [str(path.relative_to(home / "s3/bucket")) for path in files]
    pattern = r"some/prefix/e/AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl"
    assert all(re.fullmatch(pattern, name) for name in names), names
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def capture(percentage: float = 100, *, has_output: bool = True) -> Capture:
    """Return a capture of CSV as text and all else in Base64."""
    return Capture(DESTINATION, percentage, True, has_output, ("text/csv",), ())


def test_a_captured_request(platform: GatewayPlatform) -> None:
    """It has the platform's form; what failed is not captured."""

    def behave(request: Received) -> Said:
        return Said(b"[4.5]", 500 if request.body == b"bad" else 200, {"Content-Type": "application/json"})

    with container(behave) as one:
        platform.serve(endpoint(variant(instance(one.port)), capture=capture()))
        invoke = platform.runtime.invoke_endpoint
        invoke(
            EndpointName="e", Body="1,é", ContentType="text/csv", InferenceId="id-1", CustomAttributes="a=1"
        )
        with pytest.raises(ClientError, match="ModelError"):
            invoke(EndpointName="e", Body=b"bad")
        (found,) = captured(platform)
    assert found["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv",
            "mode": "INPUT",
            "data": "1,é",
            "encoding": "CSV",
        },
        "endpointOutput": {
            "observedContentType": "application/json",
            "mode": "OUTPUT",
            "data": "WzQuNV0=",
            "encoding": "BASE64",
        },
    }
    metadata = found["eventMetadata"]
    assert (metadata["inferenceId"], metadata["customAttributes"]) == ("id-1", ["a=1"])


def test_a_part_of_the_requests(platform: GatewayPlatform) -> None:
    """By chance; and only the sides that were asked for."""
    with container() as one:
        platform.serve(endpoint(variant(instance(one.port)), capture=capture(25, has_output=False)))
        for _ in range(120):
            platform.runtime.invoke_endpoint(EndpointName="e", Body=b"1")
        found = captured(platform)
    assert 7 < len(found) < 60  # 30 are expected
    assert {tuple(line["captureData"]) for line in found} == {("endpointInput",)}


def test_a_bucket_that_is_not_there(platform: GatewayPlatform) -> None:
    """What was captured waits for it, and is whole when it comes."""
    with container() as one:
        platform.serve(endpoint(variant(instance(one.port)), capture=capture()))
        platform.runtime.invoke_endpoint(EndpointName="e", Body=b"1", ContentType="text/csv")
        places = Places(platform.platform.home / "gateway")
        platform.gateway.stop(10)
        deliver(places.captured, FolderObjects(platform.platform.home / "s3"))
        wait_until(lambda: len(list(places.captured.rglob("*.jsonl"))) == 1)
        assert len(captured(platform)) == 1
