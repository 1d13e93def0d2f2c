"""The bring-your-own-container sample, with the Dockerfile that its page makes of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.images.conftest import Image
from tests.images.engine import ROOT
from tests.images.pages import Shell
from tests.images.test_readme import lay_out

PAGE = ROOT / "docs/how-to/migrate-serving.md"
SAMPLE = {"train", "serve", "predictor.py", "wsgi.py", "nginx.conf"}
# A package of the internet, which the program of this test does not import.
PANDAS = "RUN pip install pandas"


def sides() -> tuple[list[str], list[str]]:
    """Return the lines of the Dockerfile before the change, and after it."""
    shown = re.search(r"```diff\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown
    lines = shown[1].splitlines()
    assert {line[0] for line in lines} == set("-+ ")
    return [line[1:] for line in lines if line[0] != "+"], [line[1:] for line in lines if line[0] != "-"]


def write_sample(folder: Path) -> None:
    """Write the sample's folder; its own `serve` fails if anybody runs it."""
    shutil.copytree(ROOT / "examples/classic", folder / "decision_trees")
    shutil.copy(ROOT / "tests/projects/bring_your_own/code/serve", folder / "decision_trees")
    (folder / "decision_trees/serve").chmod(0o755)
    (folder / "decision_trees/Dockerfile").unlink()
    assert {path.name for path in (folder / "decision_trees").iterdir()} - {"__pycache__"} == SAMPLE


def test_every_changed_line_has_its_reason() -> None:
    """The table below the diff names each instruction and variable that it adds or keeps."""
    _, after = sides()
    _, _, table = PAGE.read_text().partition("```diff")
    for line in after:
        words = line.split()
        name = re.split(r"[=:]", words[1])[0] if words[0] == "ENV" else words[0]
        assert f"`{name}" in table or name in {"COPY", "WORKDIR"}


def test_sample_trains_and_serves(shell: Shell, image: Image) -> None:
    """The new Dockerfile's image runs the sample's `train`, and our `serve` runs its application."""
    image("serve", "sklearn")
    write_sample(shell.folder)
    lay_out(shell.folder / "ml", shell.user)
    before, after = sides()
    assert before[0] == "FROM ubuntu:18.04"
    assert PANDAS in after
    (shell.folder / "Dockerfile").write_text("\n".join(line for line in after if line != PANDAS) + "\n")
    output = shell.run(
        "docker build --quiet --tag mlberth-tests:migrated . >/dev/null\n"
        'docker run --rm --user $(id -u) -v "$PWD/ml:/opt/ml" mlberth-tests:migrated train\n'
        'server=$(docker run --rm --detach --user $(id -u) -v "$PWD/ml/model:/opt/ml/model" \\\n'
        "    -p 127.0.0.1:8080:8080 mlberth-tests:migrated serve)\n"
        "curl --retry 60 --retry-delay 1 --retry-all-errors -sf http://127.0.0.1:8080/ping\n"
        "curl -sf -H 'Content-Type: text/csv' -d '5.1,3.5,1.4,0.2' http://127.0.0.1:8080/invocations\n"
        'docker stop "$server" >/dev/null\n'
    )
    assert "training:accuracy=0.9" in output
    assert output.endswith("setosa\n")
