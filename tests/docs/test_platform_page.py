"""The page on the platform, run as it is written but for ports and homes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.commands import commands
from tests.docs.test_commands import shell
from tests.support import free_port

PAGE = "docs/how-to/platform.md"


def test_commands(tmp_path: Path) -> None:
    """The platform comes up twice, on two homes, and the `aws` command talks to the first."""
    pytest.importorskip("awscli")
    start, client, other = commands(PAGE, "")
    home = tmp_path / "home"
    home.mkdir()
    other = other.replace("/data/platform", str(tmp_path / "other")).replace("9000", str(free_port()))
    script = "\n".join(
        [
            f"trap 'mlberth down --home {home}/.mlberth; mlberth down --home {tmp_path}/other' EXIT",
            start.replace("--detach", f"--detach --engine process --port {free_port()}"),
            client,
            other,
            "mlberth status",
        ]
    )
    done = shell(script, tmp_path, HOME=str(home), MLBERTH_HOME=str(home / ".mlberth"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "assumed-role/mlberth/" in done.stdout
    assert (home / ".mlberth/s3/data/train.csv").read_text() == "5.1,3.5,1.4,0.2\n"
    assert not (home / ".aws/models/endpoints.json").exists()
