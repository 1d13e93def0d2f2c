"""The `mlberth` command."""

from __future__ import annotations

import subprocess
import sys

import mlberth


def mlberth_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run(
        [sys.executable, "-m", "mlberth", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_version() -> None:
    """--version tells the package's version."""
    assert mlberth_command("--version").stdout == f"mlberth {mlberth.__version__}\n"


def test_help_lists_every_sub_command() -> None:
    """The sub-commands come from the entry points, each with its own first sentence."""
    done = mlberth_command("--help")
    assert done.returncode == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {"train", "serve", "process"} <= {name for name, _ in lines}
    assert all(summary.endswith(".") for _, summary in lines)


def test_unknown_command_is_named_with_what_there_is() -> None:
    """A wrong word is answered with the right ones, and no traceback."""
    done = mlberth_command("sail")
    assert done.returncode == 2
    assert "found the command 'sail'; expected one of" in done.stderr
    assert "Traceback" not in done.stderr
