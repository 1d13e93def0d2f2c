"""What the README tells a newcomer to type, typed as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import File, differences, read, script, typist
from tests.images.pages import sections
from tests.serve.running import free_port

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
# The end of the section is for those who have a checkout.
IN_A_MINUTE = sections(README)["In a minute"].partition("With a checkout")[0]


def test_a_newcomer_gets_the_answer_of_the_page(tmp_path: Path) -> None:
    """The files are ten lines or so, and every command gives the output that the page shows."""
    parts = read(IN_A_MINUTE)
    for file in (part for part in parts if isinstance(part, File)):
        assert len([line for line in file.content.splitlines() if line]) <= 10
    port = free_port()
    argv = ["bash", "-c", script(parts).replace(":8080", f":{port}")]
    # pip finds this checkout, which is installed beside the interpreter, and has nothing to do.
    environ = typist(tmp_path, port)
    done = subprocess.run(
        argv, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    output = done.stdout.replace(str(Path(sys.executable).parent), "/home/me/venv/bin")
    assert (found := differences(parts, output, tmp_path, port)) == "", found


def test_other_toolkits_are_named_after_the_first_answer() -> None:
    """A reader sees files, commands and output before a comparison, and the comparison says with whom."""
    text = README.read_text()
    order = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert order.index("In a minute") < order.index("What you get") < order.index("Beside other toolkits")
    beside = sections(README)["Beside other toolkits"]
    for name in (
        *("sagemaker-training-toolkit", "sagemaker-inference-toolkit", "sagemaker-containers"),
        *("multi-model-server", "TorchServe", "MLServer", "MLflow", "BentoML", "LitServe"),
    ):
        assert name in beside
    assert "incumbent" not in text
