"""Commands of the reference that need Docker, run as they stand there."""

from __future__ import annotations

import json
import shutil

from tests.docs.commands import commands
from tests.images.conftest import Image
from tests.images.engine import ROOT
from tests.images.pages import Shell


def test_sbom(shell: Shell, image: Image) -> None:
    """The command prints the image's SBOM."""
    image("serve", "sklearn")
    (command,) = commands("docs/reference/images.md", "What is inside")
    assert json.loads(shell.run(command))["bomFormat"] == "CycloneDX"


def test_tls(shell: Shell, image: Image) -> None:
    """The commands make a certificate, serve with it, and get an answer that curl trusts."""
    image("serve", "sklearn")
    (shell.folder / "ml/model").mkdir(parents=True)
    shutil.copytree(ROOT / "tests/projects/four_functions/code", shell.folder / "ml/code")
    shutil.copy(ROOT / "tests/projects/four_functions/scale.json", shell.folder / "ml/model")
    for path in (shell.folder / "ml", *(shell.folder / "ml").rglob("*")):
        shutil.chown(path, shell.user)
    (script,) = commands("docs/reference/serving.md", "How it runs")
    shell.run(script)
    assert (shell.folder / "tls/tls.crt").exists()
