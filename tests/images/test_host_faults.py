"""Faults of programs in three containers on a network of Docker: all end with the reason; `make faults`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.load import reason_of, report
from tests.images.conftest import Image
from tests.images.engine import ROOT, Container, Engine, with_prefix
from tests.images.network import HOSTS, Network
from tests.support import LONG, wait_until
from tests.train.programs import ENDLESS

pytestmark = pytest.mark.skipif(not LONG, reason="takes minutes; each host imports PyTorch or starts MPI")
LIMIT = 30.0
"""Within so many seconds after the fault every host has ended."""


class Fault(NamedTuple):
    """What is done to the last host, and what comes of it."""

    befalls: Callable[[Network, Container], object]
    codes: tuple[int, int, int]
    reasons: tuple[str, str, str]
    """What each host's failure says; nothing if it can say nothing."""


GONE, SILENT = "host algo-3: found ", "host algo-3: found no sign of life for 15 s"
FAULTS = {
    "docker kill": Fault(lambda _, container: container.signal("KILL"), (70, 70, 137), (GONE, GONE, "")),
    "docker pause": Fault(
        lambda _, container: container.engine.command("pause", container.name),
        (70, 70, 70),
        (SILENT, SILENT, "host algo-1: found "),
    ),
    "docker network disconnect": Fault(
        lambda network, container: network.disconnect(container),
        (70, 70, 70),
        (SILENT, SILENT, "host algo-1: found "),
    ),
    "SIGTERM": Fault(
        lambda _, container: container.signal("TERM"), (143, 143, 143), ("Stopped by SIGTERM",) * 3
    ),
}


@pytest.fixture
def image_for(tmp_path: Path, engine: Engine, image: Image) -> Callable[[str], str]:
    """Return a function that returns the image with what a launcher needs."""

    def name(launcher: str) -> str:
        if launcher == "torchrun":
            return image("train", "torch")
        image("train", "base")
        folder = tmp_path / "image"
        shutil.copytree(ROOT / "examples/mpi", folder)
        dockerfile = folder / "Dockerfile"
        dockerfile.write_text(with_prefix(dockerfile.read_text()))
        # The network of the machine, where apt-get works as it does outside.
        return engine.build(folder, f"mlberth-tests/mpi:{engine.label[-8:]}", options=["--network", "host"])

    return name


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("launcher", ["torchrun", "mpi"])
def test_16_container_or_its_network_is_lost(
    tmp_path: Path, network: Network, image_for: Callable[[str], str], launcher: str, fault: str
) -> None:
    """Every host that can has the reason, with the host that it is about."""
    containers = network.start(tmp_path, image_for(launcher), ENDLESS[launcher], launcher, HOSTS)
    folders = [tmp_path / f"{len(HOSTS)}-{host}" for host in HOSTS]
    wait_until(lambda: all([*folder.glob("code/running-*")] for folder in folders), timeout=120)
    happens, began = FAULTS[fault], time.monotonic()
    happens.befalls(network, containers[-1])
    codes = [container.wait() for container in containers[:-1]]
    took = time.monotonic() - began
    if fault == "docker pause":
        containers[-1].engine.command("unpause", containers[-1].name)
    codes.append(containers[-1].wait())
    files = [folder / "output/failure" for folder in folders]
    failures = [file.read_text() if file.exists() else "" for file in files]
    right = [
        code == expected and reason in failure
        for code, expected, reason, failure in zip(
            codes, happens.codes, happens.reasons, failures, strict=True
        )
    ]
    report(
        f"{fault} with {launcher} in three containers",
        n=len(HOSTS),
        failed=right.count(False),
        recovery=took,
        reason=reason_of(failures[0]),
    )
    assert all(right), [(codes, failures, [container.logs() for container in containers])]
    assert took < LIMIT
