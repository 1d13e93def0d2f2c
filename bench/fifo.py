"""How fast the reader of a FIFO is, beside `cat` through the same FIFO.

    python -m bench.fifo [--runs N] [--megabytes N] [--record BYTES]

`head` or `cat` of a file writes RecordIO records into a FIFO. `cat` reads them to /dev/null; then our reader
yields each record. Runs are interleaved. Results go to bench/results/fifo.json; exits 1 below the bar.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import sections

from mlberth.channels.fifo import open_fifo
from mlberth.channels.recordio import read_records, write_record

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench/results/fifo.json"
BAR = 0.8


def main() -> int:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help="interleaved runs of each (default 9)")
    parser.add_argument("--megabytes", type=int, default=1000, help="how much is read (default 1000)")
    parser.add_argument("--record", type=int, default=100_000, help="bytes in a record (default 100000)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlberth-bench-", dir="/dev/shm") as folder:  # memory, not a disk
        records = asked.megabytes * 1_000_000 // asked.record
        data, fifo = Path(folder, "records"), Path(folder, "training_0")
        with data.open("wb") as file:
            for _ in range(records):
                write_record(file, os.urandom(asked.record))
        os.mkfifo(fifo)
        readers: dict[str, Callable[[Path], int]] = {"cat": cat, "mlberth": ours}
        took: dict[str, list[float]] = {name: [] for name in readers}
        for round_number in range(asked.runs + 1):
            for name, read in readers.items():
                seconds = timed(read, data, fifo, records)
                if round_number:  # the first round fills the caches
                    took[name].append(seconds)
        size = data.stat().st_size
    speeds = {name: size / 1e6 / statistics.median(times) for name, times in took.items()}
    share = statistics.median(a / b for a, b in zip(took["cat"], took["mlberth"], strict=True))
    report = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "record_bytes": asked.record,
        "megabytes": round(size / 1e6),
        "megabytes_per_second": {name: round(speed) for name, speed in speeds.items()},
        "share_of_cat": round(share, 2),
        "bar": BAR,
    }
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    sections.write()
    print(*(f"{name}: {speed:.0f} MB/s" for name, speed in speeds.items()), f"share: {share:.2f}", sep="\n")
    return 0 if share >= BAR else 1


def timed(read: Callable[[Path], int], data: Path, fifo: Path, records: int) -> float:
    """Return how many seconds a reader takes for what `cat` writes."""
    with subprocess.Popen(["sh", "-c", 'exec cat "$0" > "$1"', data, fifo]) as writer:
        began = time.perf_counter()
        found = read(fifo)
        seconds = time.perf_counter() - began
    assert writer.returncode == 0
    assert found in (records, -1), found
    return seconds


def cat(fifo: Path) -> int:
    """Read with `cat`."""
    subprocess.run(["sh", "-c", 'exec cat "$0" > /dev/null', fifo], check=True)
    return -1


def ours(fifo: Path) -> int:
    """Read record by record."""
    with open_fifo(fifo, 10) as stream:
        return sum(1 for _ in read_records(stream, str(fifo)))


if __name__ == "__main__":
    sys.exit(main())
