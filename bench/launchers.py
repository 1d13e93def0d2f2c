"""What a launcher adds to a distributed program, beside the bare `torchrun` and `mpirun`.

    python -m bench.launchers [--runs N] [--steps N]

Two processes on this machine meet, and then compute together for some steps. Measured are the time from the
start of the command to the end of the first collective, and the time of a step. Runs are interleaved. Results
go to bench/results/launchers.json; exits 1 if the start takes over a second longer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from bench import sections

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench/results/launchers.json"
LARGEST_START_S = 1.0
_SECONDS = 120
_TORCH = """
import json, os, sys, time, torch, torch.distributed as dist
dist.init_process_group("gloo")
values, rank = torch.ones(1000), dist.get_rank()
def step(): dist.all_reduce(values)
def end(): dist.destroy_process_group()
"""
_MPI = """
import json, os, sys, time, numpy
from mpi4py import MPI
values, rank = numpy.ones(1000, "f"), MPI.COMM_WORLD.rank
def step(): MPI.COMM_WORLD.allreduce(values)
def end(): pass
"""
_MEASURE = """
step()
first = time.time()
for _ in range(int(os.environ["STEPS"])): step()
if rank == 0:
    with open(os.environ["FOUND"], "w") as file: json.dump([first, time.time() - first], file)
end()
"""
PROGRAMS = {"torchrun": _TORCH + _MEASURE, "mpi": _MPI + _MEASURE}


def main() -> int:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="interleaved runs of each (default 7)")
    parser.add_argument("--steps", type=int, default=2000, help="steps of a run (default 2000)")
    asked = parser.parse_args()
    present = {"torchrun": find_spec("torch"), "mpi": find_spec("mpi4py") and shutil.which("mpirun")}
    results = {name: measure(name, asked.runs, asked.steps) for name, there in present.items() if there}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    report = {
        "machine": machine,
        "runs": asked.runs,
        "steps": asked.steps,
        "bar_s": LARGEST_START_S,
        "results": results,
    }
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    sections.write()
    for name, figures in results.items():
        print(name, *(f"{figure}: {value}" for figure, value in figures.items()), sep="\n  ")
    return int(any(figures["start_added_s"] > LARGEST_START_S for figures in results.values()))


def measure(name: str, runs: int, steps: int) -> dict[str, float]:
    """Return medians of the bare command and of ours, and of what ours adds in a pair of runs."""
    took: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for round_number in range(runs + 1):
        for ours in (False, True):
            figures = run(name, steps, ours=ours)
            if round_number:  # the first round fills the caches
                took[ours].append(figures)
    pairs = list(zip(took[False], took[True], strict=True))
    return {
        "bare_start_s": round(statistics.median(one[0] for one in took[False]), 2),
        "start_s": round(statistics.median(one[0] for one in took[True]), 2),
        "start_added_s": round(statistics.median(ours[0] - bare[0] for bare, ours in pairs), 2),
        "bare_step_us": round(statistics.median(one[1] for one in took[False]) * 1e6, 1),
        "step_us": round(statistics.median(one[1] for one in took[True]) * 1e6, 1),
    }


def run(name: str, steps: int, *, ours: bool) -> tuple[float, float]:
    """Run the program once; return the seconds to the first collective, and those of a step."""
    with tempfile.TemporaryDirectory(prefix="mlberth-bench-") as folder:
        code = Path(folder, "code")
        code.mkdir()
        program = code / "train.py"
        program.write_text(PROGRAMS[name])
        found = Path(folder, "found.json")
        environ = {**os.environ, "STEPS": str(steps), "FOUND": str(found), "OMP_NUM_THREADS": "1"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # in an image all is compiled
        environ |= {
            "SAGEMAKER_BASE_DIR": folder,
            "SAGEMAKER_LAUNCHER": name,
            "SAGEMAKER_PROCESSES_PER_HOST": "2",
        }
        began = time.time()
        argv = [str(Path(sys.executable).with_name("train"))] if ours else bare(name, program)
        subprocess.run(argv, env=environ, check=True, capture_output=True, timeout=_SECONDS)
        first, seconds = json.loads(found.read_text())
    return first - began, seconds / steps


def bare(name: str, program: Path) -> list[str]:
    """Return the command that one types without us."""
    if name == "mpi":
        return [
            "mpirun",
            "--allow-run-as-root",
            "--host",
            "localhost:2",
            "-np",
            "2",
            sys.executable,
            str(program),
        ]
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(program)]


if __name__ == "__main__":
    sys.exit(main())
