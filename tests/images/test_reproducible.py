"""Two builds of an image from the same sources: the same files, modes, owners and bytes, but for a few."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import FLAVOURS, KINDS, ROOT, Engine

# Debian's package manager notes times in these, and the linker's cache is as old as the run of ldconfig.
DIFFERS = {"etc/shadow", "etc/shadow-", "var/cache/ldconfig/aux-cache"}
LONG = os.environ.get("MLBERTH_LONG") == "1"
_BUILD_SECONDS = 1500


def content(engine: Engine, image: str, folder: Path) -> dict[str, tuple[str, int, int, int, str]]:
    """Return type, mode, owner, group and hash (or target) of every path in an image."""
    container = engine.command("create", "--label", engine.label, image).stdout.strip()
    archive = folder / "image.tar"
    engine.command("export", "--output", str(archive), container, timeout=300)
    found = {}
    with tarfile.open(archive) as tar:
        for entry in tar:
            file = tar.extractfile(entry) if entry.isreg() else None
            bytes_ = hashlib.sha256(file.read()).hexdigest() if file else entry.linkname
            kind = entry.type.decode()
            found[entry.name.rstrip("/")] = (kind, entry.mode, entry.uid, entry.gid, bytes_)
    archive.unlink()
    return found


@pytest.mark.parametrize("flavour", FLAVOURS if LONG else ("base",))
def test_s18_two_builds_have_the_same_content(
    flavour: str, engine: Engine, image: Image, tmp_path: Path
) -> None:
    """Nothing but what Debian's own tools note depends on when an image was built."""
    first = {kind: content(engine, image(kind, flavour), tmp_path) for kind in KINDS}
    again = "mlberth-tests:again-"
    base = subprocess.run([ROOT / "scripts/make-base"], capture_output=True, text=True, check=True)
    version = next((ROOT / "dist").glob("mlberth-*.whl")).name.split("-")[1]
    sources = {"train": f"BASE_IMAGE={base.stdout.strip()}", "serve": f"TRAIN_IMAGE={again}train"}
    for kind, source in sources.items():
        arguments = [f"--build-arg={one}" for one in (source, f"FLAVOUR={flavour}", f"VERSION={version}")]
        if list((ROOT / "constraints").glob("torch-*.whl")):
            arguments.append("--build-arg=TORCH_INDEX_URL=")
        argv = ["build", "--quiet", "--no-cache", "--network=host", f"--label={engine.label}", *arguments]
        subprocess.run(
            [engine.client, *argv, f"--file=Dockerfile.{kind}", f"--tag={again}{kind}", "."],
            cwd=ROOT,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=_BUILD_SECONDS,
        )
        second = content(engine, f"{again}{kind}", tmp_path)
        assert set(second) == set(first[kind])
        changed = {path for path, what in second.items() if what != first[kind][path]}
        assert changed <= DIFFERS
