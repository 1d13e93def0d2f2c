"""The tracker of XGBoost's collective, at which its ranks meet; ended with them."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from mlberth.errors import PortInUseError
from mlberth.process.signals import STOP, SignalQueue
from mlberth_train.ranks.plan import RANKS, READY, Plan, Record


def run_tracker(plan: Plan, environ: Mapping[str, str], signals: SignalQueue, host: str, port: str) -> int:
    """Run the tracker until a stop signal or SIGHUP; return 0. One that cannot start fails the job."""
    from xgboost.tracker import RabitTracker

    folder = Path(plan.folder) / RANKS
    try:
        # By task: the ranks are those of the job. The tracker wants an address, and no name.
        count = int(environ["DMLC_NUM_WORKER"])
        tracker = RabitTracker(count, host_ip=socket.gethostbyname(host), port=int(port), sortby="task")
        tracker.start()
        (folder / READY).touch()
    except (OSError, ValueError) as error:  # XGBoostError is a ValueError
        found = f"{port}, at which XGBoost's tracker cannot listen ({_reason(error)})"
        action = "Set it to another port on all hosts."
        fault = ["MASTER_PORT", found, f"a free port of {host}", action]
        record = Record(plan.host, returncode=PortInUseError.exit_code, fault=fault)
        (folder / "tracker.json").write_text(json.dumps(record._asdict()))
    while not {*STOP, signal.SIGHUP} & {*signals.wait()}:
        pass
    return 0


def _reason(error: Exception) -> str:
    """Return what an error of XGBoost says before its stack."""
    said = str(error).partition("Stack trace:")[0].split()
    return " ".join(said) or type(error).__name__
