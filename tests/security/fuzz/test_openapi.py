"""schemathesis against the OpenAPI document: what is served is what the document says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.security.fuzz.fuzzing import LONG, SEED, Fuzzer
from tests.security.fuzz.servers import VARIABLES
from tests.serve.running import Server, require_nginx

HANDLER = "def model_fn(model_dir):\n    return None\n\n\ndef predict_fn(data, model):\n    return data\n"
# Which rows a model takes is beyond the document: it cannot say that every list is right.
UNASKED = "positive_data_acceptance"


@pytest.fixture(scope="module", params=["true", "false"] if LONG else ["true"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a handler that reads and writes every codec; for many examples also without nginx."""
    require_nginx()
    folder = tmp_path_factory.mktemp("openapi")
    code = folder / "ml/model/code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(HANDLER)
    variables = VARIABLES | {"SAGEMAKER_USE_NGINX": request.param}
    with Server(folder, "mlberth_serve.wsgi:application", **variables) as server:
        yield server.wait_ready()


def test_server_keeps_to_its_document(server: Server, tmp_path: Path) -> None:
    """Statuses, bodies, headers and methods are those that the document names, for inputs good and bad."""
    fuzzer = Fuzzer("openapi", short=1, long=1)
    examples = "300" if LONG else "3"
    argv = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    argv += ["--no-color", "--seed", str(SEED), "--max-examples", examples, "--exclude-checks", UNASKED]
    # A busy machine is no fault of the server.
    argv += ["--request-timeout", "120", "--max-response-time", "120", "--suppress-health-check", "all"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert made
    fuzzer.report(cases=int(made[1]), failed=int(made[1]) - int(made[2]))
    assert "Traceback" not in server.text
