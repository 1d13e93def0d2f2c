"""Write the tables in docs/ that are made from the code, so that they cannot drift from it.

python scripts/write_docs.py          write them
python scripts/write_docs.py --check  only compare; exit 1 if a page is stale
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from api_page import api_page
from render_page import render_page

from mlberth import errors
from mlberth.contract.environment import Environment
from mlberth.contract.sm_variables import sm_variables
from mlberth.envvars import Variable
from mlberth_serve import variables as serve_variables
from mlberth_train import variables as train_variables
from mlberth_train.algorithms.listing import channel_value, default_of
from mlberth_train.algorithms.registry import ALGORITHMS, find_algorithm

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- Made by `make docs` from the code. Change the code, not this page. -->"

EXAMPLE_JOB = {
    "hyperparameters": {"epochs": "10", "learning-rate": "0.1", "sagemaker_program": "train.py"},
    "inputdataconfig": {"training": {"TrainingInputMode": "File", "ContentType": "text/csv"}},
    "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]},
}


def pages() -> dict[str, str]:
    """Return every generated page by its name."""
    return {
        "reference/variables.md": variables_page(),
        "reference/exit-codes.md": exit_codes_page(),
        "reference/algorithms.md": algorithms_page(),
        "reference/api.md": api_page(NOTE),
        "reference/render.md": render_page(NOTE),
    }


def variables_page() -> str:
    """Return the page of every variable that is read or exported."""
    return "\n".join(
        [
            NOTE,
            "",
            "# Variables",
            "",
            "Of several names in a row, the first that is set counts. A variable that is set to nothing",
            "(`NAME=`) counts as not set, unless its row says what empty means.",
            "",
            "## What `train` and `process` read",
            "",
            *variables_table(train_variables.ALL),
            "",
            "## What `serve` reads",
            "",
            *variables_table(serve_variables.ALL),
            "",
            "## What your program finds",
            "",
            "For a job of two hosts with one channel and two hyperparameters. A shell cannot read a name",
            "like `SM_HP_LEARNING-RATE`, the exact form of sagemaker-training-toolkit, so there is an alias.",
            "",
            *table(
                ("Variable", "Example"), ((f"`{name}`", code(value)) for name, value in example_exports())
            ),
            "",
        ]
    )


def variables_table(variables: Iterable[Variable[Any]]) -> list[str]:
    """Return a table of declared variables."""
    rows = (
        (
            ", ".join(f"`{name}`" for name in (variable.name, *variable.aliases)),
            variable.help,
            variable.kind.expected,
            variable.default_text or default(variable.default),
        )
        for variable in variables
    )
    return table(("Variable", "What it is", "Value", "Default"), rows)


def default(value: object) -> str:
    """Return a default as a user would write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def example_exports() -> list[tuple[str, str]]:
    """Return the SM_* variables of the example job."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "input/config").mkdir(parents=True)
        (base / "input/data/training").mkdir(parents=True)
        for name, content in EXAMPLE_JOB.items():
            (base / f"input/config/{name}.json").write_text(json.dumps(content))
        environ = {"SAGEMAKER_BASE_DIR": folder, "TRAINING_JOB_NAME": "my-job"}
        exports = sm_variables(Environment.from_environ(environ))
    machine = {"SM_NUM_CPUS": "4", "SM_NUM_GPUS": "0", "SM_NUM_NEURONS": "0"}
    return sorted(
        (name, machine.get(name, value.replace(folder, "/opt/ml"))) for name, value in exports.items()
    )


def exit_codes_page() -> str:
    """Return the page of exit codes."""
    classes = sorted(errors.MlberthError.__subclasses__(), key=lambda one: one.exit_code)
    rows = [("0", "success"), ("1 … 255", "`train`, `process`: your program's own exit code, passed through")]
    rows += [(str(one.exit_code), f"{(one.__doc__ or '').strip()} (`{one.__name__}`)") for one in classes]
    rows += [("128 + n", "ended by signal n: 137 is SIGKILL, often for lack of memory; 143 is SIGTERM")]
    return "\n".join([NOTE, "", "# Exit codes", "", *table(("Code", "Meaning"), rows), ""])


def algorithms_page() -> str:
    """Return the page of every algorithm that trains without a program."""
    lines = [
        NOTE,
        "",
        "# Algorithms",
        "",
        "What trains a job that has no program, chosen by `SAGEMAKER_ALGORITHM`. Hyperparameters have the",
        "names and ranges of the platform's own. [How to use them](../how-to/train-without-code.md).",
    ]
    for name in ALGORITHMS:
        algorithm = find_algorithm(name)
        channels = ((f"`{rule.name}`", rule.help, channel_value(rule)) for rule in algorithm.channels)
        rows = (
            (
                ", ".join(f"`{one}`" for one in (one.name, *one.aliases)),
                one.help,
                one.expected,
                default_of(one).removeprefix("default "),
            )
            for one in algorithm.hyperparameters
        )
        lines += ["", f"## {name}", "", algorithm.help, ""]
        lines += [*table(("Channel", "What it is", "Value"), channels), ""]
        lines += table(("Hyperparameter", "What it is", "Value", "Default"), rows)
    return "\n".join([*lines, ""])


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    ]


def code(value: str) -> str:
    """Return a value as code, shortened to what fits a table."""
    if not value:
        return ""
    return f"`{value if len(value) <= 80 else value[:77] + '...'}`"


def main() -> int:
    """Write or compare every page; returns the exit code."""
    stale = [name for name, text in pages().items() if not _is_current(DOCS / name, text)]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is stale: run `make docs`.")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(pages()[name])
        print(f"wrote docs/{name}")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
