"""mlberth.metrics.log: printed and recorded, in a real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.conftest import WriteConfig

from mlberth.contract.layout import Layout


def run(program: str, layout: Layout) -> subprocess.CompletedProcess[str]:
    """Run a program as a job's."""
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout.base)}
    code = f"from mlberth.metrics import log\n{program}"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_line_and_a_record(write_config: WriteConfig) -> None:
    """As the documentation has it."""
    layout = write_config()
    done = run("log(loss=0.3, step=7)\nlog({'validation:auc': 0.9})", layout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "metrics: step=7; loss=0.3;\nmetrics: validation:auc=0.9;\n"
    first, second = map(json.loads, (layout.output_data / "metrics.jsonl").read_text().splitlines())
    assert (first["loss"], first["step"], second["validation:auc"]) == (0.3, 7, 0.9)


@pytest.mark.parametrize("argument", ["loss='high'", "{'loss': [1, 2]}", "loss=None"])
def test_what_is_no_number_ends_with_one_message(write_config: WriteConfig, argument: str) -> None:
    """At the first call, where it can be mended; nothing is printed or recorded."""
    layout = write_config()
    done = run(f"log({argument})", layout)
    last = done.stderr.splitlines()[-1]
    assert "mlberth.errors.ContractError: mlberth.metrics.log, 'loss': found" in last
    assert done.stdout == ""
    assert not layout.output_data.exists()


def test_a_forked_process_has_its_own_rank(write_config: WriteConfig) -> None:
    """What is worked out at the first call is not taken over by a child."""
    layout = write_config()
    program = """
import os
log(a=1)
if not os.fork():
    os.environ.update(RANK="1", WORLD_SIZE="2")
    log(a=2)
    os._exit(0)
os.wait()
"""
    run(program, layout)
    lines = (layout.output_data / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["rank"] for line in lines] == [0, 1]
