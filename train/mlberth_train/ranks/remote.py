"""The command with which mpirun starts its daemon on another host, in the place of ssh.

It leaves the daemon's command for the leader's agent, which hands it to the agent of that host. An agent
runs nothing but that daemon.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from mlberth_train.ranks.plan import RANKS, Plan

DAEMONS = ("orted", "prted")
REQUEST = ".run"


def ask_for(plan: Plan, host: str, words: Sequence[str]) -> int:
    """Leave the command for a host, in words as ssh takes them; return the exit code for mpirun."""
    file = Path(plan.folder) / RANKS / f"{host}{REQUEST}"
    draft = file.with_name(f".{file.name}.partial")
    # The agent waits for the daemon's end, which is that of the host's ranks.
    argv = [word for word in shlex.split(" ".join(words)) if word != "--daemonize"]
    draft.write_text(json.dumps({"host": host, "argv": argv}))
    draft.replace(file)
    return 0


def is_daemon(argv: object) -> bool:
    """Return whether a command is that of a daemon of MPI, found on PATH or by its own path."""
    return (
        isinstance(argv, list)
        and bool(argv)
        and all(isinstance(word, str) for word in argv)
        and Path(argv[0]).name in DAEMONS
    )
