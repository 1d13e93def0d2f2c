"""The page on endpoints, run as it is written but for the port and the home."""

from __future__ import annotations

from pathlib import Path

from tests.docs.commands import ROOT, blocks, commands
from tests.docs.test_commands import shell
from tests.support import free_port

PAGE = "docs/how-to/endpoints.md"


def test_commands(tmp_path: Path) -> None:
    """An endpoint with two instances answers, and one with many models; both are described."""
    start, ask, ask_many = commands(PAGE, "")
    programs = [block.content for block in blocks(ROOT / PAGE) if block.language == "python"]
    for name, program in zip(("deploy.py", "many.py"), programs, strict=True):
        (tmp_path / name).write_text(program)
    home = tmp_path / "home"
    home.mkdir()
    script = "\n".join(
        [
            "trap 'mlberth down' EXIT",
            start.replace("--detach", f"--detach --engine process --port {free_port()}"),
            "python deploy.py",
            ask,
            "python many.py",
            ask_many,
        ]
    )
    done = shell(script, tmp_path, HOME=str(home), MLBERTH_HOME=str(home / ".mlberth"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("60") >= 2
    assert "models loaded: 1 ten.tar.gz" in done.stdout
    assert "model sums, weight 1 of 1, 2 of 2 instances ready" in done.stdout
