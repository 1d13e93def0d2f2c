"""What is in the images, and what is not."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import FLAVOURS, HARDENED, KINDS, ROOT, UNPRIVILEGED_ROOT, Engine

MODULES = {
    "base": "mlberth_train",
    "sklearn": "sklearn, skops, joblib",
    "xgboost": "xgboost",
    "torch": "torch, numpy",
}
# What a stranger who breaks in would like to find, and what only makes a download longer; then the packages.
INSIDE = """
for program in gcc cc g++ make curl wget git tini; do
    if command -v $program; then echo "program $program"; fi
done
find / -xdev -type f -perm /6000
find /var/lib/apt/lists /var/cache/apt /root/.cache /tmp /var/log -type f 2>/dev/null
find / -xdev -name '__editable__*'
ls -d /dist /constraints 2>/dev/null
echo --
pip list --format=freeze --exclude pip --exclude mlberth
echo --
cat /opt/venv/constraints.txt
"""

every_image = pytest.mark.parametrize("flavour", FLAVOURS)
of_each_kind = pytest.mark.parametrize("kind", KINDS)


Look = Callable[[str, str], list[str]]


@pytest.fixture(scope="module")
def look(engine: Engine, image: Image) -> Look:
    """Return a function that looks into an image once: at what is unwanted, its packages, its constraints."""

    @cache
    def inside(kind: str, flavour: str) -> list[str]:
        done = engine.run(image(kind, flavour), "sh", "-c", INSIDE)
        assert done.returncode == 0, done.stderr
        return done.stdout.split("--\n")

    return inside


@every_image
@of_each_kind
def test_nothing_unwanted_is_inside(kind: str, flavour: str, look: Look) -> None:
    """No compiler, package list, pip cache, log, build input, editable install or setuid file is left."""
    assert look(kind, flavour)[0] == ""


@every_image
@pytest.mark.parametrize(
    "options", [UNPRIVILEGED_ROOT, HARDENED], ids=["root without capabilities", "hardened"]
)
def test_libraries_load(options: tuple[str, ...], flavour: str, engine: Engine, image: Image) -> None:
    """The flavour's libraries load as root without a capability, and as nobody with nothing.

    As root they have in the build; the train image is the first layers of the serve image.
    """
    done = engine.run(image("serve", flavour), "python", "-c", f"import {MODULES[flavour]}", options=options)
    assert (done.returncode, done.stderr) == (0, "")


@of_each_kind
def test_what_drivers_of_others_need_is_there(kind: str, engine: Engine, image: Image) -> None:
    """bash, python3, python and pip are on PATH, and pip installs beside our own libraries."""
    done = engine.run(image(kind, "base"), "bash", "-c", "command -v python3 python pip3 pip")
    assert done.stdout.split() == [f"/opt/venv/bin/{name}" for name in ("python3", "python", "pip3", "pip")]


@of_each_kind
def test_folders_that_users_write_to_are_there(kind: str, engine: Engine, image: Image) -> None:
    """The code folder, which a Dockerfile copies into, and nginx's for logs, in which some make links."""
    name = image(kind, "base")
    folders = ["/opt/ml/code", *(["/var/log/nginx"] if kind == "serve" else [])]
    done = engine.run(name, "ls", "-A", *folders)
    assert (done.returncode, done.stderr) == (0, "")
    assert not [line for line in done.stdout.split() if not line.startswith("/")]


@of_each_kind
def test_python_finds_no_conflict_among_the_packages(kind: str, engine: Engine, image: Image) -> None:
    """Every package has the versions that it asks for."""
    done = engine.run(image(kind, "sklearn"), "pip", "check", "--disable-pip-version-check")
    assert (done.returncode, done.stdout.strip()) == (0, "No broken requirements found.")


def test_torch_is_the_build_for_processors(engine: Engine, image: Image) -> None:
    """Unless it is asked for, no image carries CUDA."""
    done = engine.run(image("train", "torch"), "pip", "list", "--format=freeze")
    assert "torch==" in done.stdout
    assert "nvidia" not in done.stdout


@every_image
def test_serve_image_starts_with_the_layers_of_the_train_image(
    flavour: str, engine: Engine, image: Image
) -> None:
    """A machine that has one of the two downloads little for the other."""
    layers = {}
    for kind in KINDS:
        inspected = engine.command("image", "inspect", image(kind, flavour)).stdout
        layers[kind] = json.loads(inspected)[0]["RootFS"]["Layers"]
    assert layers["serve"][: len(layers["train"])] == layers["train"]


@of_each_kind
def test_configuration(kind: str, engine: Engine, image: Image) -> None:
    """The entry point, the command, the labels and the health check are what platforms look for."""
    inspected = json.loads(engine.command("image", "inspect", image(kind, "base")).stdout)[0]
    config = inspected["Config"]
    assert config["Entrypoint"] == ["mlberth", "run"]
    assert config["Cmd"] == [kind]
    assert config["User"] == ""
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"mlberth-{kind}:base"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] != "0"
    assert len(labels["org.opencontainers.image.revision"]) == 40
    names = ("accept-bind-to-port", "bidirectional-streaming", "multi-models")
    capabilities = [f"com.amazonaws.sagemaker.capabilities.{name}" for name in names]
    assert [labels.get(name) for name in capabilities] == (["true"] * 3 if kind == "serve" else [None] * 3)
    assert config.get("Healthcheck", {}).get("Test") == (
        ["CMD", "mlberth", "health"] if kind == "serve" else None
    )


# What the images may weigh over the base image, in millions of bytes: numpy alone is 56 of them.
BARS = {"base": 105, "sklearn": 330, "xgboost": 300, "torch": 700}


def sizes(text: str) -> dict[str, list[int]]:
    """Return the megabytes of a Markdown table's rows by their first cell; an empty cell is 0."""
    rows = re.findall(r"^\| (.+?) \| ([\d |]+) \|$", text, re.MULTILINE)
    return {name: [int(cell or 0) for cell in map(str.strip, cells.split("|"))] for name, cells in rows}


def test_sizes_are_those_on_the_page(engine: Engine, image: Image) -> None:
    """The page's sizes hold, but for what another base image or a newer package changes."""
    promised = sizes((ROOT / "docs/reference/images.md").read_text())
    for kind in KINDS:
        for flavour, megabytes in zip(FLAVOURS, promised[f"**mlberth-{kind}**"], strict=True):
            inspected = engine.command("image", "inspect", "--format", "{{.Size}}", image(kind, flavour))
            assert int(inspected.stdout) / 1e6 == pytest.approx(megabytes, rel=0.2, abs=10)
    over = promised["**mlberth-serve over the base image**"]
    assert [flavour for flavour, size in zip(FLAVOURS, over, strict=True) if size > BARS[flavour]] == []


def test_table_of_sizes_adds_up(image: Image) -> None:
    """Every megabyte of an image is in one row of what `scripts/image-sizes` prints."""
    image("serve", "base")
    argv = [str(ROOT / "scripts/image-sizes"), "base"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    rows = {name: cells[0] for name, cells in sizes(printed.stdout).items()}
    whole = rows["**mlberth-serve**"]
    parts = [size for name, size in rows.items() if not name.startswith("**")]
    assert sum(parts) == pytest.approx(whole, abs=len(parts) / 2)
    assert rows["**mlberth-serve over the base image**"] == pytest.approx(
        whole - rows["the base image"], abs=1
    )
    assert rows["serve: numpy"] > 40


@every_image
@of_each_kind
def test_constraints_name_every_library(kind: str, flavour: str, look: Look) -> None:
    """What no job's install may change is each library that the image brings, in the version that it has."""
    _, installed, constraints = look(kind, flavour)
    assert sorted(constraints.split()) == sorted(installed.split())
    if flavour != "base":
        name = {"sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}.get(flavour, flavour)
        assert f"\n{name}==" in f"\n{constraints}"


@of_each_kind
def test_constraints_protect_the_framework(kind: str, engine: Engine, image: Image, tmp_path: Path) -> None:
    """A job that asks for another version of the image's framework fails with pip's reason."""
    (tmp_path / "requirements.txt").write_text("numpy<1\n")
    (tmp_path / "train.py").write_text("print('trained')")
    tmp_path.chmod(0o755)
    options = [f"--volume={tmp_path}:/opt/ml/code", "--network=none", "--env=PIP_NO_INDEX=1"]
    done = engine.run(image(kind, "sklearn"), "train", options=options)
    assert (done.returncode, done.stdout.count("trained")) == (69, 0)
    assert "The user requested (constraint) numpy==" in done.stderr
