"""One rank: the user's program below whatever starts it, torchrun, mpirun or the agent.

It starts the program with its own code, folder and PYTHONPATH, marks each line with the rank, and leaves
a record of the end, which says more than an exit code.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from mlberth.process.children import witness_for
from mlberth.process.kernel import die_with_parent
from mlberth.process.progress_bars import ProgressBars
from mlberth.process.signals import SignalQueue, accept_stops
from mlberth.process.supervise import Outcome, supervise
from mlberth_train.ranks.plan import OWN_RANK, OWN_RANKS, PLAN, RANKS, Plan, Record
from mlberth_train.ranks.prefix import PrefixedLines

# What the launchers tell a process: torchrun and ours, then Open MPI.
_NAMES = (
    (OWN_RANK, OWN_RANKS, OWN_RANK),
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
)
_RECENT_SECONDS = 60.0
"""How long before the end a traceback may have begun to be its reason."""
_NOT_FOUND = 127
_CANNOT_RUN = 126


def run_rank(plan: Plan, environ: Mapping[str, str], signals: SignalQueue) -> int:
    """Run the program as the rank that the environment says; return the exit code for the launcher.

    That is 0 after a stop: a launcher would start a stopped program anew, and end its neighbours.
    """
    _end_with_parent()
    rank, ranks = rank_of(environ)
    # Named for what does not change: torchrun may give a process another rank when it starts it anew.
    folder, name = Path(plan.folder) / RANKS, _local_rank(environ)
    running, ended = folder / f"{name}.pid", folder / f"{name}.json"
    ended.unlink(missing_ok=True)
    _replace(running, f"{os.getpid()} {rank} {ranks}")
    prefix = f"[rank {rank}] ".encode() if ranks > 1 else b""
    lines = tuple(PrefixedLines(prefix, _bars(plan, rank)) for _ in range(2))
    own = {name: value for name, value in environ.items() if name not in (PLAN, OWN_RANK, OWN_RANKS)}
    try:
        with witness_for(environ) as witness:
            accept_stops()  # which the agent may have held back until now
            outcome = supervise(
                plan.program,
                env=own | {"PYTHONPATH": plan.pythonpath},
                cwd=Path(plan.code),
                signals=signals,
                grace=plan.grace,
                lines=(lines[0], lines[1]),
                witness=witness,
            )
    except OSError as error:
        outcome = _not_started(plan, error)
        os.write(2, outcome.stderr)
    record = _record(plan, environ, outcome, lines[1].traceback_at)
    _replace(ended, json.dumps(record._asdict()))
    running.unlink(missing_ok=True)
    return 0 if outcome.stopped_by else outcome.exit_code


def rank_of(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return the rank that a launcher gave this process, and how many there are; 0 of 1 without one."""
    for rank, size, _ in _NAMES:
        if rank in environ and size in environ:
            return int(environ[rank]), int(environ[size])
    return 0, 1


def _local_rank(environ: Mapping[str, str]) -> str:
    return next((environ[local] for _, _, local in _NAMES if local in environ), "0")


def _record(plan: Plan, environ: Mapping[str, str], outcome: Outcome, traceback_at: float | None) -> Record:
    rank, ranks = rank_of(environ)
    now = time.time()
    recent = traceback_at is not None and outcome.returncode > 0 and now - traceback_at < _RECENT_SECONDS
    return Record(
        host=plan.host,
        code=plan.code,
        rank=rank,
        ranks=ranks,
        # Others fail because of the first, and may end before it: exceptions are ordered by their beginning.
        time=traceback_at if recent and traceback_at else now,
        returncode=outcome.returncode,
        stopped_by=outcome.stopped_by,
        overran=outcome.overran,
        stderr=outcome.stderr.decode("latin-1"),
        cuts=list(outcome.cuts),
        seconds=outcome.seconds,
    )


def _bars(plan: Plan, rank: int) -> ProgressBars | None:
    return ProgressBars(hidden=rank > 0) if plan.collapse else None


def _not_started(plan: Plan, error: OSError) -> Outcome:
    text = f"{plan.program[0]}: {error.strerror or error}; expected a program that can be started\n"
    code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN
    return Outcome(code, None, False, text.encode(), 0.0)


def _end_with_parent() -> None:
    """Let the kernel end this process with the one that has started it; the program follows."""
    parent = os.getppid()
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel had our request
        os._exit(128 + signal.SIGKILL)


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.partial")
    draft.write_text(text)
    draft.replace(file)
