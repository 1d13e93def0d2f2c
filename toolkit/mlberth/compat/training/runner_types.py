"""Names of what starts a program."""

from __future__ import annotations

import enum


class RunnerType(enum.Enum):
    """What starts a program; `run` takes MPI for an error, as the job itself does."""

    MPI = "MPI"
    Process = "Process"


ProcessRunnerType = RunnerType.Process
MPIRunnerType = RunnerType.MPI
