"""What the README tells a newcomer to type, typed as it stands there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tests.docs.pages import File, differences, read, script, typist
from tests.images.pages import sections
from tests.support import free_port

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
# The end of the section explains.
IN_A_MINUTE = sections(README)["In a minute"].partition("`kill %1`")[0]


def libraries(folder: Path) -> Path:
    """Return a folder with everything that is installed beside this interpreter, except ourselves."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.lstrip("_").startswith("mlberth"):
            (folder / path.name).symlink_to(path)
    return folder


def test_a_newcomer_gets_the_answer_of_the_page(tmp_path: Path) -> None:
    """The files are ten lines or so, and every command gives the output that the page shows."""
    parts = read(IN_A_MINUTE)
    for file in (part for part in parts if isinstance(part, File)):
        assert len([line for line in file.content.splitlines() if line]) <= 10
    checkout = tmp_path / "mlberth"
    checkout.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "nginx.conf", "wsgi.py"):
        shutil.copy(ROOT / name, checkout)
    for name in ("toolkit", "train", "serve"):
        shutil.copytree(ROOT / name, checkout / name, symlinks=True)
    port = free_port()
    argv = ["bash", "-c", script(parts).replace(":8080", f":{port}")]
    # pip finds the libraries, and has only ourselves to install: the tutorial's test installs them all.
    environ = typist(tmp_path, port) | {"PYTHONPATH": str(libraries(tmp_path / "libraries"))}
    done = subprocess.run(
        argv, cwd=checkout, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert (found := differences(parts, done.stdout, tmp_path, port)) == "", found


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
