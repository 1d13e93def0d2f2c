"""Shadow variants: what they get, and that production does not notice them."""

from __future__ import annotations

import json
import statistics
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.local.gateway.platform import GatewayPlatform, endpoint, gateway_platform, instance, variant
from tests.local.gateway.servers import Received, Said, container
from tests.support import free_port, wait_until

from mlberth_local.gateway.control_socket import Places


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[GatewayPlatform]:
    """Return a platform whose gateway is this test's alone."""
    with gateway_platform(tmp_path) as found:
        yield found


def lines(platform: GatewayPlatform) -> list[dict[str, Any]]:
    """Return what is known of the copies, also of files that are still written to."""
    folder = Places(platform.platform.home / "gateway").shadows / "e" / "shadow"
    found = sorted(folder.rglob("*.jsonl*")) if folder.is_dir() else []
    return [json.loads(line) for path in found for line in path.read_text().splitlines(keepends=False)]


def with_shadow(port: int, shadow: int, part: float = 1.0) -> Any:
    """Return an endpoint with a production and a shadow variant."""
    return endpoint(variant(instance(port)), shadows=(variant(instance(shadow), name="shadow", weight=part),))


def test_a_copy_goes_to_the_shadow(platform: GatewayPlatform) -> None:
    """As it came, but for the variant that it names; the client has the production's answer alone."""
    with container() as one, container(lambda _: Said(b"other", headers={"Content-Type": "a/b"})) as two:
        platform.serve(with_shadow(one.port, two.port))
        found = platform.runtime.invoke_endpoint(
            EndpointName="e", Body=b"1,2", ContentType="text/csv", TargetVariant="AllTraffic"
        )
        assert (found["Body"].read(), found["InvokedProductionVariant"]) == (b"1,2", "AllTraffic")
        wait_until(lambda: lines(platform) != [])
    (received,) = two.received
    assert (received.body, received.headers["content-type"]) == (b"1,2", "text/csv")
    assert not any("variant" in name.lower() for name in received.headers)
    (line,) = lines(platform)
    assert (line["production"]["variant"], line["shadow"]["variant"]) == ("AllTraffic", "shadow")
    assert [b64decode(line[side]["body"]) for side in ("production", "shadow")] == [b"1,2", b"other"]
    assert (line["shadow"]["status"], line["shadow"]["type"], line["dropped"]) == (200, "a/b", 0)
    assert line["shadow"]["seconds"] > 0


def test_only_a_part_is_copied(platform: GatewayPlatform) -> None:
    """By chance, each request by itself."""
    with container() as one, container() as two:
        platform.serve(with_shadow(one.port, two.port, 0.25))
        for _ in range(120):
            platform.runtime.invoke_endpoint(EndpointName="e", Body=b"1")
        # 30 are expected; outside of these bounds one run in 10^7 is.
        wait_until(lambda: len(lines(platform)) == len(two.received))
        assert 7 < len(two.received) < 60


@pytest.mark.parametrize("kind", ["dead", "failing", "hanging"])
def test_a_bad_shadow_costs_production_nothing(platform: GatewayPlatform, kind: str) -> None:
    """Every request is answered, as fast as without it; copies that it has no time for are dropped."""
    hanging = threading.Event()

    def behave(_: Received) -> Said:
        if kind == "hanging":
            hanging.wait(60)
        return Said(b"no", 500)

    def took() -> float:
        began = time.perf_counter()
        assert platform.runtime.invoke_endpoint(EndpointName="e", Body=b"1")["Body"].read() == b"1"
        return time.perf_counter() - began

    with container() as one, container(behave) as two:
        platform.serve(endpoint(variant(instance(one.port))))
        without = statistics.median(took() for _ in range(100))
        platform.serve(with_shadow(one.port, free_port() if kind == "dead" else two.port))
        times = [took() for _ in range(150)]
        # Others use the machine, too; a shadow that is waited for would cost seconds.
        assert statistics.median(times) < 10 * without + 0.05
        if kind == "hanging":
            assert len(two.received) <= 4
            hanging.set()
        wait_until(lambda: len(lines(platform)) >= 100, timeout=30)
        wait_until(lambda: len(lines(platform)) + sum(line["dropped"] for line in lines(platform)) == 150)
    statuses = {line["shadow"]["status"] for line in lines(platform)}
    assert statuses == {503 if kind == "dead" else 500}
    assert all(line["production"]["status"] == 200 for line in lines(platform))
    assert (sum(line["dropped"] for line in lines(platform)) > 0) == (kind == "hanging")


def test_a_shadow_is_counted_under_its_name(platform: GatewayPlatform) -> None:
    """Its requests and errors are metrics like those of any variant."""
    with container() as one, container(lambda _: Said(b"no", 500)) as two:
        platform.serve(with_shadow(one.port, two.port))
        platform.runtime.invoke_endpoint(EndpointName="e", Body=b"1")
        wait_until(lambda: len(lines(platform)) == 1)
        text = requests.get(f"{platform.url}/_mlberth/metrics", timeout=5).text
    assert 'mlberth_invocation_5xx_errors_total{endpoint="e",variant="AllTraffic"} 0' in text
    assert 'mlberth_invocation_5xx_errors_total{endpoint="e",variant="shadow"} 1' in text
