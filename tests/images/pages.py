"""The commands of a page, and a shell that runs them as they are written."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.images.engine import Engine, with_prefix
from tests.support import free_port

_PORT = re.compile(r"127\.0\.0\.1:8(080|443)\b")
# What `docker` is in the shell: the client that can build, marking what it makes, so that it is removed.
# Without the plug-in for compose, the older program is taken.
_DOCKER = """\
#!/bin/sh
command=$1
shift
case $command in
    compose) {client} compose version >/dev/null 2>&1 || exec docker-compose "$@" ;;
    run) set -- --label {label} "$@" ;;
    build) set -- --label {label} --build-arg BASE_IMAGE={base_image} "$@" ;;
esac
DOCKER_BUILDKIT=1 exec {client} "$command" "$@"
"""


def sections(page: Path) -> dict[str, str]:
    """Return what stands under each heading of the second level."""
    _, *parts = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts}


def blocks(text: str, language: str) -> list[str]:
    """Return the pieces of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Shell:
    """A caller's shell in a folder of the caller's own."""

    engine: Engine
    folder: Path
    user: int
    docker_group: int
    base_image: str

    def run(self, script: str, timeout: float = 600) -> str:
        """Run commands up to the first that fails, and return what they wrote to standard output.

        Replaced is what this machine may have otherwise: port 8080 or 8443, and the names of our images.
        """
        for file in (*self.folder.rglob("Dockerfile"), *self.folder.rglob("compose.yaml")):
            file.write_text(with_prefix(file.read_text()))
        docker = self.folder / "bin/docker"
        docker.parent.mkdir(exist_ok=True)
        engine = self.engine
        docker.write_text(
            _DOCKER.format(label=engine.label, client=engine.client, base_image=self.base_image)
        )
        docker.chmod(0o755)
        port = str(free_port())
        own = {"PATH": f"{docker.parent}:{os.environ['PATH']}", "HOME": str(self.folder), "PORT": port}
        as_root = os.getuid() == 0
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _PORT.sub(f"127.0.0.1:{port}", with_prefix(script))],
            cwd=self.folder,
            env=os.environ | own,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            user=self.user if as_root else None,
            group=self.user if as_root else None,
            extra_groups=[self.docker_group] if as_root else None,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout
