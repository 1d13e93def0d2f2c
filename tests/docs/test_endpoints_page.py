"""The page on endpoints, run as it is written but for the port and the home."""

from __future__ import annotations

from pathlib import Path

from tests.docs.commands import ROOT, blocks, commands
from tests.docs.test_commands import shell
from tests.support import free_port

PAGE = "docs/how-to/endpoints.md"


def test_commands(tmp_path: Path) -> None:
    """An endpoint with two instances answers, and is described."""
    start, ask = commands(PAGE, "")
    [program] = [block.content for block in blocks(ROOT / PAGE) if block.language == "python"]
    (tmp_path / "deploy.py").write_text(program)
    home = tmp_path / "home"
    home.mkdir()
    script = "\n".join(
        [
            "trap 'mlberth down' EXIT",
            start.replace("--detach", f"--detach --engine process --port {free_port()}"),
            "python deploy.py",
            ask,
        ]
    )
    done = shell(script, tmp_path, HOME=str(home), MLBERTH_HOME=str(home / ".mlberth"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60" in done.stdout
    assert "model sums, weight 1 of 1, 2 of 2 instances ready" in done.stdout
