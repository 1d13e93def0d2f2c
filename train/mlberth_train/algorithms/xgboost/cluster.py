"""The hosts that train one model together: XGBoost's collective.

The launcher `xgboost` has its tracker, and starts no process on a host without files; with another launcher
the tracker is here, on the leader.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from mlberth.contract.environment import MASTER_PORT, Environment
from mlberth.contract.ranks import read_rank
from mlberth.errors import Fault, PlatformError

_JOIN_SECONDS = 900.0
"""How long hosts wait for one another. A port that the last run has used is free again after one minute."""
_READ_SECONDS = 4 * 3600
"""How long the collective waits for a host that still reads its data."""
_PAUSE = 0.5
_NEWS_SECONDS = 5.0

log = logging.getLogger(__name__)


class Cluster(NamedTuple):
    """This host's place among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def is_leader(self) -> bool:
        """Whether this host prints and saves."""
        return self.rank == 0

    def gather(self, value: Any) -> list[Any]:
        """Return what each host has given, in the order of their ranks."""
        if self.size == 1:
            return [value]
        from xgboost import collective

        return [collective.broadcast(value if rank == self.rank else None, rank) for rank in range(self.size)]

    def add(self, numbers: Any) -> Any:
        """Return the sum of an array of float64 over all hosts."""
        if self.size == 1:
            return numbers
        from xgboost import collective

        return collective.allreduce(numbers, collective.Op.SUM)

    def any(self, flag: bool) -> bool:
        """Return whether one of the hosts says so."""
        if self.size == 1:
            return flag
        import numpy as np

        return bool(self.add(np.array([float(flag)]))[0])


@contextmanager
def joined(environment: Environment, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """Join the other hosts of the job, and leave them at the end; a single host is a cluster of its own.

    Raises PlatformError for hosts that do not meet in time.
    """
    rank, size = read_rank(environ, environment.hosts)
    if size == 1:
        yield Cluster()
        return
    # As that launcher writes the rank; an engine's own DMLC_TASK_ID is a plain number.
    has_tracker = environ.get("DMLC_TASK_ID") == f"{rank:06}"
    names = ("DMLC_TRACKER_URI", "DMLC_TRACKER_PORT") if has_tracker else ("MASTER_ADDR", "MASTER_PORT")
    leader = environ.get(names[0]) or environment.master
    port = int(environ.get(names[1]) or MASTER_PORT)
    where = f"{leader}, port {port}"
    address = _tried(lambda: socket.gethostbyname(leader), where)
    starts = rank == 0 and not has_tracker
    tracker = _tried(lambda: _start_tracker(size, address, port), where) if starts else None
    communicator = _tried(lambda: _communicator(address, port, rank), where)
    log.info("Joined %d hosts, led by %s", size, leader)
    with _lost_hosts():
        yield Cluster(rank, size)
    # After an error nobody would answer: the process ends as it is.
    communicator.__exit__(None, None, None)
    if tracker:
        tracker.wait_for(int(_JOIN_SECONDS))  # the others leave one after the other, and must find it
        tracker.free()


@contextmanager
def _lost_hosts() -> Iterator[None]:
    """Let the host that has failed be heard first: the others learn of it in the same moment, as an error."""
    import xgboost

    try:
        yield
    except xgboost.core.XGBoostError as error:
        lines = [line for line in str(error).splitlines() if line.startswith("- [")]
        if not lines:  # only errors of the collective have these
            raise
        time.sleep(_NEWS_SECONDS)
        reason = lines[-1].partition("]: ")[2] or lines[-1]
        action = "Look at the log of the host that ended first."
        raise PlatformError(Fault("XGBoost's collective", reason, "all hosts of the job", action)) from None


def _start_tracker(size: int, address: str, port: int) -> Any:
    from xgboost.tracker import RabitTracker

    # Sorted by task: the ranks are those of the job.
    tracker = RabitTracker(size, host_ip=address, port=port, sortby="task")
    tracker.start()
    return tracker


def _communicator(address: str, port: int, rank: int) -> Any:
    from xgboost import collective

    context = collective.CommunicatorContext(
        dmlc_tracker_uri=address,
        dmlc_tracker_port=port,
        dmlc_task_id=f"{rank:06}",
        dmlc_retry=1,
        dmlc_timeout=_READ_SECONDS,
    )
    context.__enter__()
    return context


def _tried(attempt: Callable[[], Any], where: str) -> Any:
    """Call a function until it raises no error, for a while."""
    deadline = time.monotonic() + _JOIN_SECONDS
    while True:
        try:
            return attempt()
        except (OSError, ValueError) as error:  # XGBoostError is a ValueError
            if time.monotonic() > deadline:
                reason = str(error).strip().splitlines()[-1]
                action = "Look at the log of the leader, and at the network between the hosts."
                raise PlatformError(Fault(where, reason, "the leader of the job", action)) from None
        time.sleep(_PAUSE)
