"""What batching brings other models: XGBoost beside its own unbatched limit, and a PyTorch network."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bench import data, ours
from bench.compare import Comparison, limits, measure, say
from bench.limit import HANDLER, XGBOOST_FILE
from bench.server import running

_WIDTH = 1024


def take(comparison: Comparison) -> dict[str, Any]:
    """Measure each model that can be made here; a text in a result's place says why not."""
    return {"xgboost": xgboost(comparison), "torch": torch(comparison)}


def xgboost(comparison: Comparison) -> dict[str, float] | str:
    """Return requests per CPU second at 32 clients, and of the unbatched limit."""
    if not find_spec("xgboost"):
        return "XGBoost is not installed"
    folder = comparison.folder / "xgboost-model"
    _train_xgboost(folder, comparison.cases[data.THOUSAND_CSV].rows)
    case = comparison.cases[data.ONE_CSV]
    server = ours.make("xgboost", answers_rows=False)
    place = dataclasses.replace(comparison.place(server), model=folder)
    found, limit = [], []
    with running(server, place) as run:
        for number in range(comparison.rounds):
            say(f"XGBoost, round {number + 1} of {comparison.rounds}")
            found.append(measure(run, case, comparison.seconds)["per_cpu_second"])
            ways = limits(folder, comparison.seconds, [case.name])[case.name]
            limit.append(max(rate for way, rate in ways.items() if way != HANDLER))
    return {"per_cpu_second": statistics.median(found), "limit": statistics.median(limit)}


def torch(comparison: Comparison) -> dict[str, float] | str:
    """Return requests per second and p99 in ms at 32 clients, batched and not."""
    if not find_spec("torch"):
        return "PyTorch is not installed"
    if not ours.can_batch():
        return "requests are not batched"
    folder = comparison.folder / "torch-model"
    _make_network(folder)
    rows = np.random.default_rng(0).normal(size=(1, _WIDTH)).astype(np.float32)
    case = data.Case("1 row of 1024, npy", data.NPY, rows)
    sizes = {"batched": "32", "unbatched": "1"}
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in sizes}
    with contextlib.ExitStack() as stack:
        runs = {}
        for name, size in sizes.items():
            server = ours.make(f"torch {name}", settings={ours.BATCH_SIZE: size}, answers_rows=False)
            place = dataclasses.replace(comparison.place(server), model=folder)
            runs[name] = stack.enter_context(running(server, place))
        for number in range(comparison.rounds):
            say(f"PyTorch, round {number + 1} of {comparison.rounds}")
            for name, run in runs.items():
                figures[name].append(measure(run, case, comparison.seconds))
    return {
        f"{name}_{figure}": statistics.median(one[figure] for one in found)
        for name, found in figures.items()
        for figure in ("per_second", "p99_ms")
    }


def _train_xgboost(folder: Path, rows: Any) -> None:
    import xgboost as xgb

    folder.mkdir()
    target = rows[:, 0] > np.median(rows[:, 0])
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    booster = xgb.train(parameters, xgb.DMatrix(rows, target), num_boost_round=50)
    booster.save_model(folder / XGBOOST_FILE)


def _make_network(folder: Path) -> None:
    import torch as t

    folder.mkdir()
    layers = [t.nn.Linear(_WIDTH, _WIDTH), t.nn.ReLU(), t.nn.Linear(_WIDTH, _WIDTH)]
    t.jit.trace(t.nn.Sequential(*layers), t.zeros(1, _WIDTH)).save(str(folder / "model.pt"))
