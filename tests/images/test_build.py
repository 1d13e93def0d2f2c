"""Building the images again, and what it leaves behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import ROOT, Engine

KEPT = "mlberth-tests:kept"


@pytest.mark.parametrize("named", [False, True], ids=["without another name", "with another name"])
def test_the_image_before_is_removed(named: bool, tmp_path: Path, engine: Engine, image: Image) -> None:
    """Builds do not pile up: an image goes with its name, unless somebody gave it another."""
    name = image("train", "base")
    (tmp_path / "Dockerfile").write_text(f"FROM {name}\nLABEL made={tmp_path.name}\n")
    engine.build(tmp_path, name)
    before = engine.command("image", "inspect", "--format", "{{.Id}}", name).stdout.strip()
    if named:
        engine.command("tag", before, KEPT)
    subprocess.run(
        [ROOT / "scripts/build-images", "base"], check=True, stdout=subprocess.DEVNULL, timeout=600
    )
    left = engine.command("image", "inspect", before, check=False)
    assert (left.returncode == 0) == named
