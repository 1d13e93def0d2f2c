"""A network of the engine, and the hosts of jobs on it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from tests.images.engine import Container, Engine

HOSTS = ["algo-1", "algo-2", "algo-3"]


class Network:
    """A network of an engine, and the containers that are the hosts of jobs on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = f"mlberth-tests-{uuid.uuid4().hex[:8]}"
        engine.command("network", "create", self.name)

    def remove(self) -> None:
        """Remove it, with all that runs."""
        self.engine.remove_all()
        self.engine.command("network", "rm", self.name)

    def start(
        self, folder: Path, image: str, program: str, launcher: str, hosts: list[str]
    ) -> list[Container]:
        """Start the hosts of a job; each has its tree in the folder `NUMBER-HOST`."""
        containers = []
        for host in hosts:
            base = folder / f"{len(hosts)}-{host}"
            for name in ("code", "model", "input/config"):
                (base / name).mkdir(parents=True)
            (base / "code/train.py").write_text(program)
            config = {"current_host": host, "hosts": hosts, "network_interface_name": "eth0"}
            (base / "input/config/resourceconfig.json").write_text(json.dumps(config))
            options = [f"--network={self.name}", f"--hostname={host}", f"--network-alias={host}"]
            options += [f"--volume={base}:/opt/ml", f"--env=SAGEMAKER_LAUNCHER={launcher}"]
            options += ["--env=SAGEMAKER_PROGRAM=train.py"]
            containers.append(self.engine.start(image, options=options))
        return containers

    def disconnect(self, container: Container) -> None:
        """Take a container off the network, which it notices by nothing but silence."""
        self.engine.command("network", "disconnect", "--force", self.name, container.name)
