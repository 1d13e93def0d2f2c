"""docs/how-to/read-channels.md: its programs run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import WriteConfig
from tests.toolkit.channels.pipes import pipe_mode

PAGE = Path(__file__).parent.parent.parent.parent / "docs/how-to/read-channels.md"
READ, WRITE = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("mode", ["File", "Pipe"])
def test_what_one_program_writes_the_other_reads(
    write_config: WriteConfig, tmp_path: Path, mode: str
) -> None:
    """In File mode as in Pipe mode, epoch by epoch."""
    layout = write_config(inputdataconfig={"training": {"TrainingInputMode": mode}})
    environ = {**os.environ, "SAGEMAKER_BASE_DIR": str(layout.base)}
    subprocess.run([sys.executable, "-W", "error", "-c", WRITE], cwd=tmp_path, check=True, timeout=60)
    content = (tmp_path / "training.recordio").read_bytes()
    if mode == "File":
        layout.channel("training").mkdir()
        (layout.channel("training") / "x").write_bytes(content)
    with pipe_mode(layout.data, "training", [content] * 3 if mode == "Pipe" else []):
        subprocess.run([sys.executable, "-W", "error", "-c", READ], env=environ, check=True, timeout=60)
    assert (layout.model / "model.json").read_text() == "10.5"
