"""docs/how-to/metrics.md: its program runs as it stands, and its definitions are read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import WriteConfig

PAGE = Path(__file__).parent.parent.parent.parent / "docs/how-to/metrics.md"
TEXT = PAGE.read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
RECORD, DEFINITIONS = map(json.loads, re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL))


def test_the_program_prints_and_records_what_the_page_shows(write_config: WriteConfig) -> None:
    """The line and the record of step 7, but for time and host."""
    layout = write_config()
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout.base)}
    argv = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, timeout=60)
    line = done.stdout.splitlines()[7]
    assert f"```text\n{line}\n```" in TEXT
    record = json.loads((layout.output_data / "metrics.jsonl").read_text().splitlines()[7])
    assert list(record) == list(RECORD)
    assert (record["step"], record["loss"], record["rank"]) == (RECORD["step"], RECORD["loss"], 0)


def test_the_definitions_find_what_they_name() -> None:
    """They are right as JSON and as regexes."""
    printed = "train_loss: 0.25, auc=0.5"
    found = {entry["Name"]: re.findall(entry["Regex"], printed) for entry in DEFINITIONS}
    assert found == {"train:loss": ["0.25"], "validation:auc": ["0.5"]}
