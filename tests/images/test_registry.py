"""Images of a registry, by their digest: what ours start from, and what starts from ours."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine
from tests.support import free_port, wait_until

REGISTRY = "docker-registry"
CONFIGURATION = """\
version: 0.1
log: {{accesslog: {{disabled: false}}, level: info}}
storage: {{filesystem: {{rootdirectory: {folder}/content}}, cache: {{blobdescriptor: inmemory}}}}
http: {{addr: "{address}"}}
"""


@dataclass(frozen=True)
class Registry:
    """A registry that runs on this machine."""

    address: str
    log: Path

    def reads(self, name: str) -> int:
        """Return how often what is named with a digest has been read."""
        repository, _, digest = name.removeprefix(self.address).partition("@")
        return self.log.read_text().count(f'/v2{repository}/manifests/{digest} HTTP/1.1" 200 ')


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Run an empty registry on a free port; a name on 127.0.0.1 needs no certificate."""
    program = shutil.which(REGISTRY)
    if program is None:
        if os.environ.get("MLBERTH_REQUIRE_DOCKER") == "1":
            pytest.fail(f"MLBERTH_REQUIRE_DOCKER=1, and {REGISTRY} is not on PATH")
        pytest.skip(f"{REGISTRY} is not on PATH")
    port = free_port()
    address, log = f"127.0.0.1:{port}", tmp_path / "registry.log"
    (tmp_path / "config.yml").write_text(CONFIGURATION.format(folder=tmp_path, address=address))

    def is_open() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    argv = [program, "serve", str(tmp_path / "config.yml")]
    with log.open("wb") as sink, subprocess.Popen(argv, stdout=sink, stderr=sink) as process:
        try:
            wait_until(lambda: is_open() or process.poll() is not None, timeout=60)
            assert process.poll() is None, log.read_text()
            yield Registry(address, log)
        finally:
            process.send_signal(signal.SIGKILL)


def push(engine: Engine, image: str, registry: Registry) -> str:
    """Push an image, and return its name with the digest that the registry has it by; forget both here."""
    tag = f"{registry.address}/{image.partition('@')[0]}"
    engine.command("tag", image, tag)
    try:
        engine.command("push", "--quiet", tag)
        told = engine.command("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', tag).stdout
    finally:
        engine.command("image", "rm", tag)
    (name,) = [line for line in told.splitlines() if line.startswith(registry.address)]
    assert engine.command("image", "inspect", name, check=False).returncode != 0
    return name


def layers(engine: Engine, image: str) -> list[str]:
    """Return the hashes of an image's layers."""
    template = '{{join .RootFS.Layers "\\n"}}'
    return engine.command("image", "inspect", "--format", template, image).stdout.split()


def test_image_of_a_users_own_starts_from_a_digest(
    registry: Registry, engine: Engine, image: Image, tmp_path: Path
) -> None:
    """What is pushed has a digest, and `FROM` that digest gives the same layers and a program that trains."""
    base = image("train", "base")
    name = push(engine, base, registry)
    before = registry.reads(name)
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.py").write_text("print('trained from a digest')\n")
    (project / "Dockerfile").write_text(f"FROM {name}\nCOPY train.py /opt/ml/code/\n")
    try:
        mine = engine.build(project, "mlberth-tests:from-a-digest")
        assert registry.reads(name) > before
        assert layers(engine, mine)[:-1] == layers(engine, base)
        done = engine.run(mine, options=["--network", "none"])
        assert (done.returncode, "trained from a digest" in done.stdout) == (0, True), done.stderr
    finally:
        engine.command("image", "rm", name, check=False)


def test_s17_our_image_is_built_from_a_digest(registry: Registry, engine: Engine, image: Image) -> None:
    """A base image is taken by its digest, and the label says by which."""
    image("train", "base")
    found = subprocess.run([ROOT / "scripts/make-base"], capture_output=True, text=True, check=True)
    base = found.stdout.strip()
    name = push(engine, base, registry)
    before = registry.reads(name)
    try:
        argv = [engine.client, "build", "--quiet", "--network=host", f"--label={engine.label}"]
        argv += [
            f"--build-arg=BASE_IMAGE={name}",
            "--file=Dockerfile.train",
            "--tag=mlberth-tests:pinned",
            ".",
        ]
        environ = {**os.environ, "DOCKER_BUILDKIT": "1"}
        subprocess.run(argv, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True, timeout=600)
        assert registry.reads(name) > before
        assert layers(engine, "mlberth-tests:pinned")[:1] == layers(engine, base)[:1]
        template = '{{index .Config.Labels "org.opencontainers.image.base.name"}}'
        label = engine.command("image", "inspect", "--format", template, "mlberth-tests:pinned")
        assert label.stdout.strip() == name
    finally:
        engine.command("image", "rm", name, check=False)
