"""What is imported before the first answer: no more than it takes, since every start pays for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serve.running import PROJECTS

HEAVY = {"flask", "werkzeug", "jinja2", "prometheus_client", "pandas", "pyarrow", "requests"}
_LOAD = "from mlberth_serve.app.factory import create_app; application = create_app({!r})"
_ASK = """
from werkzeug.test import Client
assert Client(application).get("/execution-parameters").status_code == 200
"""


def imported_by(code: str) -> set[str]:
    """Return the packages that a Python has imported when it has run a text."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_supervisor_imports_no_package() -> None:
    """What starts nginx and gunicorn is the standard library's and ours alone."""
    assert not imported_by("import mlberth_serve.control.supervisor") & {
        *HEAVY,
        "gunicorn",
        "numpy",
        "orjson",
        "email",
    }


@pytest.mark.parametrize("also", ["", _ASK], ids=["predictions", "other routes"])
def test_flask_waits_for_a_request_that_needs_it(model_dir: Path, also: str) -> None:
    """Predictions are ready without Flask; the first request for another route brings it."""
    shutil.copytree(PROJECTS / "predict_only", model_dir, dirs_exist_ok=True)
    environ = {"SAGEMAKER_BASE_DIR": str(model_dir.parent)}
    imported = imported_by(_LOAD.format(environ) + also)
    assert "numpy" in imported
    assert imported & HEAVY == ({"flask", "werkzeug", "jinja2"} if also else set())
