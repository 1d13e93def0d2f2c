"""The commands of the README that need Docker, run as they stand there."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.images.conftest import Image
from tests.images.engine import ROOT
from tests.images.pages import Shell, blocks, sections

WAYS = sections(ROOT / "README.md")["Three ways in"]
PROGRAM = ROOT / "examples/byo-container/train.py"


def lay_out(folder: Path, user: int) -> None:
    """Make the reader's `ml`: a program and its data, and room for the results."""
    for name in ("code", "input/data", "model", "output"):
        (folder / name).mkdir(parents=True)
    shutil.copy(PROGRAM, folder / "code")
    shutil.copytree(ROOT / "examples/iris", folder / "input/data/training")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, user)


def test_commands_on_a_folder(shell: Shell, image: Image) -> None:
    """The commands train, serve and ask; what they leave in the folder is the caller's."""
    image("serve", "sklearn")
    lay_out(shell.folder / "ml", shell.user)
    (commands,) = blocks(WAYS, "sh")
    assert "[0]" in shell.run(commands)
    assert {path.stat().st_uid for path in (shell.folder / "ml").rglob("*")} == {shell.user}
    assert (shell.folder / "ml/model/model.joblib").exists()
    assert (shell.folder / "ml/output/success").exists()


def test_own_image(shell: Shell, image: Image) -> None:
    """The three lines of a Dockerfile make an image that trains with its own program."""
    image("train", "sklearn")
    lay_out(shell.folder / "ml", shell.user)
    shutil.copy(PROGRAM, shell.folder)
    (shell.folder / "Dockerfile").write_text(blocks(WAYS, "dockerfile")[0])
    shell.run("docker build --quiet --tag mlberth-tests:readme .")
    mounts = [f'-v "$PWD/ml/{name}:/opt/ml/{name}"' for name in ("input", "model", "output")]
    output = shell.run(f"docker run --rm --user $(id -u) {' '.join(mounts)} mlberth-tests:readme")
    assert "validation:accuracy=0.9" in output
    assert (shell.folder / "ml/model/model.joblib").stat().st_uid == shell.user
