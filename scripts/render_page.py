"""The page of what `mlberth render` does with each parameter, made from the renderers' accounts."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth_local.render.coverage import Coverage, owner_of
from mlberth_local.render.kubernetes.renderer import COVERAGE as KUBERNETES
from mlberth_local.render.request_files import OPERATIONS
from mlberth_local.render.slurm.coverage import COVERAGE as SLURM

ENGINES: Mapping[str, Mapping[str, Coverage]] = {"Kubernetes": KUBERNETES, "Slurm": SLURM}


def render_page(note: str) -> str:
    """Return the page."""
    lines = [
        *(note, "", "# What `mlberth render` carries over", ""),
        "Each parameter of a request goes where its row says. One with *no* is named on stderr and at the",
        "top of what is written, if a request sets it. A row counts for all below it without their own.",
    ]
    for operation in OPERATIONS:
        accounts = {engine: found[operation] for engine, found in ENGINES.items() if operation in found}
        lines += ["", f"## {operation}", "", f"| Parameter | {' | '.join(accounts)} |"]
        lines += [f"| --- |{' --- |' * len(accounts)}"]
        paths = {path for one in accounts.values() for path in (*one.carried, *one.left_out)}
        for path in sorted(paths):
            cells = [_cell(one, path) for one in accounts.values()]
            if all(cells):  # without one, the engine has rows for what is below it
                lines.append(f"| `{path}` | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(coverage: Coverage, path: str) -> str:
    owner = owner_of(path, coverage)
    if owner in coverage.carried:
        return coverage.carried[owner]
    return f"no: {coverage.left_out[owner]}" if owner else ""
