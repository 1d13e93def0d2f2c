"""The platform's endpoints in containers: the same rules as with processes, and what only containers have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from tests.images.conftest import Image
from tests.images.engine import Engine
from tests.local.endpoints.endpoint_platform import EndpointPlatform, invoke, runs
from tests.support import wait_until

from mlberth_local.sagemaker import models


@pytest.fixture
def platform(tmp_path: Path, image: Image) -> Iterator[EndpointPlatform]:
    """Return a platform with containers; nothing is left of its endpoints at the end."""
    found = EndpointPlatform(tmp_path / "home", engine="docker", image=image("serve", "base"))
    with closing(found):
        yield found


def test_a_pipeline_and_an_update(platform: EndpointPlatform) -> None:
    """Each container has its name and its log, a dead instance is replaced, an update leaves nothing."""
    names = ("first", "second")
    containers = [{**platform.container(name), "ContainerHostname": name} for name in names]
    models.create_model(platform.platform, {"ModelName": "p", "Containers": containers})
    platform.config("one", "p")
    found = platform.create("e", "one")
    assert found["EndpointStatus"] == "InService", found
    old = platform.ports("e")
    assert [invoke(port, "x") for port in old] == ["first<x>", "second<x>"]
    assert {stream.rpartition("/")[2] for stream in platform.lines("e")} == set(names)
    platform.kill("e")
    wait_until(lambda: platform.ports("e") not in ([], old), timeout=120)
    platform.model("m")
    platform.config("two", "m")
    assert platform.update("e", "two")["EndpointConfigName"] == "two"
    [port] = platform.ports("e")
    assert invoke(port, "x") == "m<x>"
    assert not any(runs(one) for one in old)


def test_images_that_cannot_serve(platform: EndpointPlatform, engine: Engine, tmp_path: Path) -> None:
    """One that is not there, and one without `serve`: the endpoint has failed, and says why."""
    platform.image = "no/such:tag"
    platform.model("none")
    platform.config("none", "none")
    reason = platform.create("none", "none")["FailureReason"]
    assert reason.startswith("ClientError: no image 'no/such:tag' on this machine; there are: ")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    platform.image = engine.build(empty, f"mlberth-tests/empty:{uuid4().hex}")
    platform.model("empty")
    platform.config("empty", "empty")
    reason = platform.create("empty", "empty")["FailureReason"]
    assert "serve" in reason
