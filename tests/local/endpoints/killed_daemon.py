"""A daemon that is killed at one of its commits: `HOME COMMIT before|after`, with two models in the home."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.local.endpoints.endpoint_platform import EndpointPlatform
from tests.local.jobs.killed_daemon import KilledResources


def main(home: Path, commit: int, moment: str) -> None:
    """Create an endpoint, update it, scale it and delete it, until the kill."""
    platform = EndpointPlatform(home, resources=partial(KilledResources, commit=commit, moment=moment))
    for name in ("a", "b"):
        platform.model(name)
        platform.config(name, name)
    platform.create("e", "a")
    platform.update("e", "b")
    sys.stdout.write("whole\n")
    platform.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
