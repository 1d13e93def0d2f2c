"""What one run found, as it is kept: medians, the kind of machine, the date; nothing that names a machine."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import statistics
import subprocess
from pathlib import Path
from typing import Any

from bench import bars
from bench.compare import Comparison

FOLDER = Path(__file__).resolve().parent / "results"
FILE = FOLDER / "serving.json"


def collect(comparison: Comparison, **scenarios: Any) -> dict[str, Any]:
    """Return everything that was found."""
    servers = {name: _medians(row) for name, row in comparison.rows.items()}
    results: dict[str, Any] = {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "machine": machine(),
        "rounds": comparison.rounds,
        "seconds": comparison.seconds,
        "servers": servers,
        "skipped": comparison.skipped,
        **scenarios,
    }
    results["bars"] = [
        dict(zip(("what", "bar", "value", "verdict"), outcome.cells(), strict=True))
        for outcome in bars.outcomes(results)
    ]
    return results


def write(results: dict[str, Any], path: Path = FILE) -> dict[str, Any]:
    """Write the results; returns them as they are read back, rounded."""
    path.parent.mkdir(exist_ok=True)
    rounded: dict[str, Any] = _rounded(results)
    path.write_text(json.dumps(rounded, indent=2) + "\n")
    return rounded


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False, timeout=10)
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory[1]) / 1e6) if memory else None,
        "linux": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "nginx": nginx.stderr.strip().rpartition("/")[2],
        "load_average": round(os.getloadavg()[0], 1),
    }


def _medians(row: dict[str, Any]) -> dict[str, Any]:
    found = dict(row)
    found["cases"] = {
        case: {name: statistics.median(values) for name, values in figures.items()}
        | {"us": 1e6 / statistics.median(figures["per_cpu_second"]), **_spread(figures["per_cpu_second"])}
        for case, figures in row["cases"].items()
    }
    if half_load := row.get("half_load"):
        found["half_load"] = {
            name: min(values) if name == "ratio" else statistics.median(values)
            for name, values in half_load.items()
        }
    return found


def _spread(values: list[float]) -> dict[str, float]:
    return {"lowest_per_cpu_second": min(values), "highest_per_cpu_second": max(values)}


def _rounded(value: Any) -> Any:
    """Return the same with four digits that mean something."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
