"""The Docker engine and the images under test."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.faults.conftest import pytest_runtest_logreport  # noqa: F401 - `make faults` has faults from here
from tests.images.engine import IMAGE_PREFIX, ROOT, Engine
from tests.images.network import Network
from tests.images.pages import Shell
from tests.object_store import ObjectStore, serving_objects

_BUILD_SECONDS = 1500
Image = Callable[[str, str], str]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Return the engine; skip where none answers, or fail where one has to (MLBERTH_REQUIRE_DOCKER=1)."""
    found = subprocess.run([ROOT / "scripts/docker-client"], capture_output=True, text=True, check=False)
    client = found.stdout.strip()
    reason = found.stderr.strip()
    if client:
        answer = subprocess.run([client, "version"], capture_output=True, text=True, timeout=60, check=False)
        reason = "" if answer.returncode == 0 else answer.stderr.strip()
    if reason:
        if os.environ.get("MLBERTH_REQUIRE_DOCKER") == "1":
            pytest.fail(f"MLBERTH_REQUIRE_DOCKER=1, and {reason}")
        pytest.skip(f"{reason} (scripts/start-engine starts one)")
    engine = Engine(client, f"mlberth.tests={uuid.uuid4().hex}")
    yield engine
    engine.remove_all()


@pytest.fixture(scope="session", autouse=True)
def _own_names() -> Iterator[None]:
    """Name the images of the tests apart from those that the user may have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGE_PREFIX", IMAGE_PREFIX)
        yield


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Return a function that builds both images of a flavour from this checkout, once, and returns a name."""
    log = tmp_path_factory.mktemp("build") / "log"

    def execute(*argv: str) -> None:
        with log.open("ab") as sink:
            done = subprocess.run(
                argv, cwd=ROOT, stdout=sink, stderr=subprocess.STDOUT, timeout=_BUILD_SECONDS, check=False
            )
        assert done.returncode == 0, log.read_text()[-4000:]

    @cache
    def wheel() -> None:
        for old in (ROOT / "dist").glob("mlberth-*.whl"):
            old.unlink()
        execute(sys.executable, "-m", "build", "--wheel", "--outdir", "dist", ".")

    @cache
    def build(flavour: str) -> None:
        wheel()
        execute("scripts/build-images", flavour)

    def name(kind: str, flavour: str) -> str:
        build(flavour)
        return f"{IMAGE_PREFIX}mlberth-{kind}:{flavour}"

    return name


@pytest.fixture
def network(engine: Engine) -> Iterator[Network]:
    """Return a network of its own, for the hosts of a job."""
    made = Network(engine)
    yield made
    made.remove()


@pytest.fixture
def shell(engine: Engine, image: Image) -> Iterator[Shell]:
    """Return the shell of a user who is not root, where the tests may act as one, in an empty folder."""
    image("train", "base")
    base_image = subprocess.run([ROOT / "scripts/make-base"], capture_output=True, text=True, check=True)
    user = os.getuid() or 4321
    socket = Path("/var/run/docker.sock")
    group = socket.stat().st_gid if socket.exists() else os.getgid()
    # Not tmp_path, which lies in a folder that another user cannot enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user, -1)
        yield Shell(engine, Path(folder), user, group, base_image.stdout.strip())


@pytest.fixture
def pod_network(engine: Engine) -> Iterator[str]:
    """Return a network of the engine's, on which pods find one another."""
    name = f"mlberth-tests-{uuid.uuid4().hex[:8]}"
    engine.command("network", "create", name)
    yield name
    engine.remove_all()
    engine.command("network", "rm", name)


@pytest.fixture
def pod_store(engine: Engine, pod_network: str) -> Iterator[ObjectStore]:
    """Serve a bucket, on this machine's address in the network of the pods."""
    gateway = engine.command(
        "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", pod_network
    )
    with serving_objects(gateway.stdout.strip()) as serving:
        yield serving
