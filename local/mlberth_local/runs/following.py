"""A job followed from its start to its end: its log's lines, its status, and what a Ctrl-C does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from mlberth.errors import PlatformError
from mlberth_local.daemon.home import Home
from mlberth_local.daemon.job_list import STOP_OPERATIONS, find_job, log_lines, open_resources
from mlberth_local.runs.screen import Screen, duration
from mlberth_local.store.resources import Resource, Resources

_EXIT_CODE = re.compile(r", exit code: (\d{1,3})$")
FAILED, INTERRUPTED = 1, 130


class Follower:
    """Shows how far a job is, until it has ended."""

    def __init__(self, home: Home, name: str, stop: Callable[[str, str], None], screen: Screen) -> None:
        """Follow a job of a home; `stop` is told operation and parameter on the first Ctrl-C."""
        self._home = home
        self._name = name
        self._stop = stop
        self._screen = screen
        self._shown = ""
        self._passed = 0
        self._hosts: set[str] = set()

    def run(self) -> Resource:
        """Return the job when it has ended. Raises KeyboardInterrupt on the second Ctrl-C."""
        with open_resources(self._home) as resources:
            job = find_job(resources, self._name)
            try:
                self._follow(resources, job)
            except KeyboardInterrupt:
                self._screen.say(f"{self._name} is stopping; Ctrl-C again leaves it to itself")
                try:
                    self._stop(*STOP_OPERATIONS[job.kind])
                except PlatformError:
                    if not resources.get(job.kind, job.name).finished:  # it has ended in the meantime
                        raise
                self._follow(resources, job)
            return resources.get(job.kind, job.name)

    def _follow(self, resources: Resources, job: Resource) -> None:
        def has_ended() -> bool:
            return resources.get(job.kind, job.name).finished

        def pause(seconds: float) -> None:
            self._show(resources.get(job.kind, job.name))
            time.sleep(seconds)

        for stream, line in log_lines(self._home, job, has_ended, sleep=pause):
            if stream.endswith("/data-log"):
                continue
            self._hosts.add(stream)
            host = stream.rpartition("/")[2].rpartition("-")[0]
            self._screen.line(line if len(self._hosts) == 1 else f"{host}: {line}")
        self._show(resources.get(job.kind, job.name))

    def _show(self, job: Resource) -> None:
        # A short job has gone through several since the last look.
        passed = [transition["Status"] for transition in job.state.get("transitions", ())]
        last = job.status if job.finished or not passed else passed[-1]
        for status in [*passed[self._passed :], last]:
            if status != self._shown:
                self._screen.say(f"{job.name} {status}")
                self._shown = status
        self._passed = len(passed)
        if not job.finished:
            self._screen.show(f"{job.name}  {last}  {duration(time.time() - job.created)}")


def exit_code(job: Resource) -> int:
    """Return the exit code of a run: 0, the program's own, 1 if there is none, 130 if it was stopped."""
    if job.status == "Completed":
        return 0
    if job.status == "Stopped":
        return INTERRUPTED
    found = _EXIT_CODE.search(job.state.get("reason") or "")
    return int(found[1]) or FAILED if found else FAILED
