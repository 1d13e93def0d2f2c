"""The commands of this room: `python -m mlberth_train.ranks agent|rank|remote|tracker`.

The plan's file is in the environment.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from mlberth.process.signals import SignalQueue, ignore_stops


def main(command: str) -> int:
    """Run one of the processes of a distributed job; returns the exit code."""
    gc.disable()
    with SignalQueue() as signals:
        code = _run(command, signals)
        ignore_stops()  # what started this process would take it for a failure
    return code


def _run(command: str, signals: SignalQueue) -> int:
    from mlberth_train.ranks.plan import PLAN, Plan

    plan = Plan.read(Path(os.environ[PLAN]))
    if command == "rank":
        from mlberth_train.ranks.rank import run_rank

        return run_rank(plan, os.environ, signals)
    if command == "remote":
        from mlberth_train.ranks.remote import ask_for

        return ask_for(plan, sys.argv[2], sys.argv[3:])
    if command == "tracker":
        from mlberth_train.ranks.xgboost_tracker import run_tracker

        return run_tracker(plan, os.environ, signals, sys.argv[2], sys.argv[3])
    from mlberth.masking import secret_values
    from mlberth_train.log import Log
    from mlberth_train.ranks.agent import run_agent

    log = Log(as_json=plan.log_format == "json", secrets=frozenset(secret_values(os.environ)))
    return run_agent(plan, os.environ, signals, log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
