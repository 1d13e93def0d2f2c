"""XGBoost's collective over the hosts of a job."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from mlberth.compat.training.hosts import look_up, wait_hostname_resolution

__all__ = ["LOCAL_HOSTNAME", "Rabit", "RabitHelper", "rabit_run", "wait_hostname_resolution"]

LOCAL_HOSTNAME = "127.0.0.1"
_PORT = 9099
_LONGEST = 15 * 60.0
_PAUSE = 1.0

log = logging.getLogger(__name__)


def rabit_run(  # noqa: PLR0917 - sagemaker-xgboost-container's signature
    exec_fun: Callable[..., object],
    args: MutableMapping[str, Any],
    include_in_training: bool,
    hosts: Sequence[str],
    current_host: str,
    first_port: int | None = None,
    second_port: int | None = None,
    max_connect_attempts: int | None = None,
    connect_retry_timeout: int = 10,
    update_rabit_args: bool = False,
) -> None:
    """Call a function on each host that has data, with XGBoost's collective over these hosts.

    With `update_rabit_args` it gets `is_master`, which is true on one of them. A host without data ends
    here, with exit code 0. Raises RuntimeError if no host has data.
    """
    port = first_port or _PORT
    with Rabit(hosts, current_host, None, port, max_connect_attempts, connect_retry_timeout) as helper:
        records = helper.synchronize({"host": current_host, "include_in_training": include_in_training})
    included = [record["host"] for record in records if record["include_in_training"]]
    if not included:
        raise RuntimeError("No hosts received training data.")
    if not include_in_training:
        log.warning("%s has no training data, and takes no part", current_host)
        sys.exit(0)
    port = second_port or port + 1
    with Rabit(included, current_host, None, port, max_connect_attempts, connect_retry_timeout) as helper:
        if update_rabit_args:
            args["is_master"] = helper.is_master
        exec_fun(**args)


class RabitHelper:
    """This host's place among all."""

    def __init__(self, is_master: bool, current_host: str, master_port: int, *, alone: bool = True) -> None:
        self.is_master = is_master
        self.current_host = current_host
        self.master_port = master_port
        self.rank, self.world_size = 0, 1
        if not alone:
            from xgboost import collective

            self.rank, self.world_size = collective.get_rank(), collective.get_world_size()

    def synchronize(self, data: Any) -> list[Any]:
        """Return what each host has given, in the order of their ranks."""
        if self.world_size == 1:
            return [data]
        from xgboost import collective

        text = json.dumps(data)
        texts = [
            collective.broadcast(text if rank == self.rank else "", rank) for rank in range(self.world_size)
        ]
        return [json.loads(one) for one in texts]


class Rabit:
    """The collective, as a context; nothing is started for one host."""

    def __init__(  # noqa: PLR0917 - sagemaker-xgboost-container's signature
        self,
        hosts: Sequence[str],
        current_host: str | None = None,
        master_host: str | None = None,
        port: int | None = None,
        max_connect_attempts: int | None = None,
        connect_retry_timeout: int = 3,
    ) -> None:
        if max_connect_attempts is not None and max_connect_attempts <= 0:
            raise ValueError("max_connect_attempts must be None or an integer greater than 0.")
        self.hosts = sorted(hosts)
        self.n_workers = len(self.hosts)
        self.current_host = current_host or LOCAL_HOSTNAME
        self.master_host = master_host or self.hosts[0]
        self.is_master_host = self.current_host == self.master_host
        self.port = port or _PORT
        self.max_connect_attempts = max_connect_attempts
        self.connect_retry_timeout = connect_retry_timeout
        self._tracker: Any = None
        self._communicator: Any = None

    def start(self) -> RabitHelper:
        """Join the other hosts; waits for them."""
        if self.n_workers == 1:
            return RabitHelper(True, self.current_host, self.port)
        address = look_up(self.master_host)
        try:
            if self.is_master_host:
                from xgboost.tracker import RabitTracker

                self._tracker = RabitTracker(self.n_workers, host_ip=address, port=self.port, sortby="task")
                self._tracker.start()
            self._communicator = self._connect(address)
        except BaseException:
            self.stop()
            raise
        return RabitHelper(self.is_master_host, self.current_host, self.port, alone=False)

    def stop(self) -> None:
        """Leave the other hosts."""
        communicator, self._communicator = self._communicator, None
        tracker, self._tracker = self._tracker, None
        if communicator:
            communicator.__exit__(None, None, None)
        if tracker:
            if communicator:
                tracker.wait_for()
            tracker.free()

    def _connect(self, address: str) -> Any:
        from xgboost import collective

        # As text they are put in order: the ranks.
        task = str(self.hosts.index(self.current_host)).zfill(6)
        deadline, attempt = time.monotonic() + _LONGEST, 0
        while True:
            attempt += 1
            communicator = collective.CommunicatorContext(
                dmlc_tracker_uri=address, dmlc_tracker_port=self.port, dmlc_task_id=task
            )
            try:
                communicator.__enter__()
            except Exception:  # the tracker's host may be starting still
                if attempt == self.max_connect_attempts or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return communicator

    def __enter__(self) -> RabitHelper:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
