"""The feeders of a job's pipes: one helper process for each host that has any."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mlberth_local.engines.base import Host, Run
from mlberth_local.engines.process import ProcessEngine
from mlberth_local.inputs import feeder
from mlberth_local.inputs.delivery import FEED
from mlberth_local.inputs.files import download_failure


class Feeding:
    """Starts the feeders, if they do not run already; they are removed with the job's run."""

    def __init__(self, helpers: ProcessEngine, run: str, folder: Path, hosts: Sequence[str]) -> None:
        self._helpers = helpers
        self._run = run
        self._folder = folder
        self._hosts = hosts

    def base(self, host: str) -> Path:
        """Return the folder of a host's feeds."""
        return self._folder / f"{host}.feeds"

    def failure(self) -> str:
        """Return why a feeder has given up, or nothing."""
        for file in (self.base(host) / feeder.FAILURE for host in self._hosts):
            if file.exists():
                return file.read_text()
        return ""

    def check(self) -> None:
        """Raise JobFailure if a feeder has given up: what its program has read ended too early."""
        if found := self.failure():
            raise download_failure(found)

    def start(self) -> None:
        """Start the feeder of each host that has feeds."""
        hosts = [
            Host(host, self.base(host), (), {}, self.base(host) / "log.jsonl")
            for host in self._hosts
            if (self.base(host) / FEED).exists()
        ]
        if hosts:
            commands = [(sys.executable, "-I", feeder.__file__, str(host.base)) for host in hosts]
            for host, (program, *arguments) in zip(hosts, commands, strict=True):
                self._helpers.start(Run(self._run, "", (program,), tuple(arguments), (host,)))
