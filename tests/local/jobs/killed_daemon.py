"""A daemon that is killed at one of its commits: `HOME COMMIT before|after ENGINE REQUEST`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlberth_local.jobs.opening import open_jobs
from mlberth_local.platform import Platform, Settings
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resource, Resources


class KilledResources(Resources):
    """Ends the process at a commit, just before or just after it."""

    def __init__(self, database: Database, commit: int, moment: str) -> None:
        super().__init__(database)
        self._left = commit
        self._moment = moment

    @contextmanager
    def changing(self, kind: str, name: str) -> Iterator[Resource]:
        """Hand out a resource."""
        self._left -= 1
        with super().changing(kind, name) as resource:
            yield resource
            self._kill("before")
        self._kill("after")

    def _kill(self, moment: str) -> None:
        if self._left == 0 and moment == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def main(home: Path, commit: int, moment: str, engine: str, request: str) -> None:
    """Run the job until the kill, or its end."""
    from mlberth_local.sagemaker.training_jobs import create_training_job

    database = Database(home / "db")
    platform = Platform(home, Settings(engine=engine, environ=dict(os.environ)))
    resources = KilledResources(database, commit, moment)
    jobs = open_jobs(platform, resources, Metrics(database), host_environ={})
    jobs.start()
    if request:
        create_training_job(Platform(home, platform.settings, jobs=jobs), json.loads(request))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    jobs.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
