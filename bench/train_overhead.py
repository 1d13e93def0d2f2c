"""What `train` costs a job: time, CPU time and memory, beside its peers and the limit.

    python -m bench.train_overhead [--runs N]

The job is a program that does nothing. It runs by itself, under a launcher that does the least a
launcher can (isolated Python, json, start and wait), under our `train`, and under that of
sagemaker-training where that can be installed. Runs are interleaved, so that a busy machine is busy
for all alike; wall and CPU time are of the whole tree of processes, and so is the proportional set
size (PSS), taken while the program waits. Results go to bench/results/train_overhead.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.installation import MissingError, install

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench/results/train_overhead.json"
PEER = "sagemaker-training"
LARGEST_WALL_MS = 50.0
LARGEST_PSS_MB = 12.0

# With BENCH_HOLD, the program waits until somebody opens that FIFO for writing and closes it again.
PROGRAM = 'import os\nif "BENCH_HOLD" in os.environ: open(os.environ["BENCH_HOLD"]).read()\n'
LEAN = (
    "import json, os, subprocess, sys\n"
    "base = os.environ['SAGEMAKER_BASE_DIR']\n"
    "json.load(open(base + '/input/config/hyperparameters.json'))\n"
    "sys.exit(subprocess.run([sys.argv[1], 'train.py'], cwd=base + '/code').returncode)\n"
)


def main() -> int:
    """Measure, print a table, write the results; exits 1 where `train` is over its bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=25, help="interleaved runs of each (default 25)")
    runs = parser.parse_args().runs
    peer, why_not = peer_command()
    with tempfile.TemporaryDirectory(prefix="mlberth-bench-") as folder:
        base = make_tree(Path(folder))
        measured = measure(commands(base, peer), base, runs)
    report = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "runs": runs,
        "skipped": {} if peer else {PEER: why_not},
        "results": measured,
        "bar": {"wall_ms": LARGEST_WALL_MS, "pss_mb": LARGEST_PSS_MB},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    print_table(measured)
    if not peer:
        print(f"{PEER}: skipped, {why_not}")
    ours = measured["mlberth"]["overhead"]
    return 0 if ours["wall_ms"] <= LARGEST_WALL_MS and ours["pss_mb"] <= LARGEST_PSS_MB else 1


def commands(base: Path, peer: list[str] | None) -> dict[str, list[str]]:
    """Return what is compared, by name; the first is the program by itself."""
    plain = [sys.executable, str(base / "code/train.py")]
    lean = [sys.executable, "-I", "-S", "-c", LEAN, sys.executable]
    ours = [str(Path(sys.executable).with_name("train"))]
    found = {"python train.py": plain, "lean launcher": lean, "mlberth": ours}
    return found | ({PEER: peer} if peer else {})


def peer_command() -> tuple[list[str] | None, str]:
    """Return the command of sagemaker-training in an environment of its own, or why there is none."""
    try:
        return [str(install("sagemaker_training").with_name("train"))], ""
    except MissingError as error:
        return None, str(error)


def make_tree(base: Path) -> Path:
    """Lay out a job that does nothing."""
    for folder in ("code", "model", "output/data", "input/config", "input/data"):
        (base / folder).mkdir(parents=True)
    (base / "code/train.py").write_text(PROGRAM)
    hyperparameters = {"sagemaker_program": "train.py", "epochs": "1"}
    (base / "input/config/hyperparameters.json").write_text(json.dumps(hyperparameters))
    (base / "input/config/inputdataconfig.json").write_text("{}")
    hosts = {"current_host": "localhost", "hosts": ["localhost"]}
    (base / "input/config/resourceconfig.json").write_text(json.dumps(hosts))
    return base


def measure(
    compared: Mapping[str, list[str]], base: Path, runs: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Return medians of each command, and what each adds to the first of them."""
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(base)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in compared}
    for round_number in range(runs + 1):
        for name, argv in compared.items():
            took = run(argv, environ)
            if round_number:  # the first round fills the caches
                times[name].append(took)
    first = next(iter(compared))
    memory = {name: tree_memory(argv, environ, base) for name, argv in compared.items()}
    results = {}
    for name in compared:
        row, over = {}, {}
        for column, key in enumerate(("wall_ms", "cpu_ms")):
            own = [took[column] for took in times[name]]
            others = [took[column] for took in times[first]]
            row[key] = round(statistics.median(own), 1)
            # The median of differences within a round: other load comes and goes in whole rounds.
            over[key] = round(statistics.median(a - b for a, b in zip(own, others, strict=True)), 1)
        row["pss_mb"], over["pss_mb"] = round(memory[name], 1), round(memory[name] - memory[first], 1)
        results[name] = {"median": row, "overhead": over}
    return results


def run(argv: list[str], environ: Mapping[str, str]) -> tuple[float, float]:
    """Run a command to its end; return its wall time and the CPU time of its tree, in milliseconds."""
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, environ, file_actions=SILENT)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    assert os.waitstatus_to_exitcode(status) == 0, argv
    return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000


SILENT = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]


def tree_memory(argv: list[str], environ: Mapping[str, str], base: Path) -> float:
    """Return the PSS of a command and everything below it, in MB, while its program waits."""
    hold = base / "hold"
    os.mkfifo(hold)
    pid = os.posix_spawn(argv[0], argv, {**environ, "BENCH_HOLD": str(hold)}, file_actions=SILENT)
    with hold.open("w"):  # opens when the program has opened its end
        time.sleep(0.5)  # what the launcher does meanwhile comes to rest
        kilobytes = sum(map(proportional_set_size, tree(pid)))
    os.waitpid(pid, 0)
    hold.unlink()
    return kilobytes / 1024


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def proportional_set_size(pid: int) -> int:
    """Return the PSS of a process in kB."""
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def print_table(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Print medians, and what each adds to the program by itself."""
    print(f"{'':20}{'wall ms':>18}{'CPU ms':>18}{'PSS MB':>18}")
    for name, row in measured.items():
        cells = [f"{row['median'][key]:.1f} ({row['overhead'][key]:+.1f})" for key in row["median"]]
        print(f"{name:20}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
