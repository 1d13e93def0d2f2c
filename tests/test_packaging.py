"""What is shipped: the exact content of the wheel and of the source distribution."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import mlberth

ROOT = Path(__file__).parent.parent
PACKAGES = ("toolkit/mlberth", "train/mlberth_train", "serve/mlberth_serve", "local/mlberth_local")
BESIDE_THE_ROOTS = {
    "nginx.conf",
    "wsgi.py",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "PKG-INFO",
}


def package_files() -> set[str]:
    """Return the files of our packages, from their root on."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    return {
        str(path.relative_to(ROOT))
        for path in paths
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }


def without_root(name: str) -> str:
    """Return `toolkit/mlberth/x.py` as `mlberth/x.py`."""
    return name.split("/", 1)[1]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a source distribution, and a wheel from it, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    argv = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pip_finds_the_wheel_without_a_release(dist: Path) -> None:
    """With PIP_FIND_LINKS, as the README says, the package has its name, and its extras."""
    options = ["--dry-run", "--ignore-installed", "--no-deps", "--no-index"]
    environ = os.environ | {"PIP_FIND_LINKS": str(dist)}
    argv = [sys.executable, "-m", "pip", "install", *options, "mlberth[serve]"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert f"Would install mlberth-{mlberth.__version__}" in done.stdout, done.stderr
    assert "does not provide the extra" not in done.stderr


def test_sdist_holds_the_sources_and_nothing_else(dist: Path) -> None:
    """Packages, the two linked files, and what describes them."""
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert names - {".gitignore"} == package_files() | BESIDE_THE_ROOTS


def test_wheel_from_sdist_holds_the_packages_and_nothing_else(dist: Path) -> None:
    """No test, no example and no top-level `train`, `serve`, `toolkit` or `wsgi` is installed."""
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        for linked in ("nginx.conf", "wsgi.py"):
            assert wheel.read(f"mlberth_serve/{linked}") == (ROOT / linked).read_bytes()
    assert names == {without_root(name) for name in package_files()}


def test_wheel_installs_and_pulls_nothing(dist: Path, tmp_path: Path) -> None:
    """`pip install mlberth` brings four commands and no third-party package."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=120)
    python = tmp_path / "venv/bin/python"
    wheel = next(dist.glob("*.whl"))
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", wheel], check=True, timeout=120)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    packages = {line.split("==")[0] for line in listed.stdout.split()}
    assert packages - {"pip", "setuptools"} == {"mlberth"}
    assert {"train", "serve", "process", "mlberth"} <= {
        path.name for path in (tmp_path / "venv/bin").iterdir()
    }
    version = subprocess.run(
        [tmp_path / "venv/bin/mlberth", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout == f"mlberth {wheel.name.split('-')[1]}\n"


def test_wheel_is_the_same_twice(dist: Path, tmp_path: Path) -> None:
    """The same sources give the same bytes."""
    argv = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(argv, capture_output=True, check=True, timeout=300)
    for path in dist.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_linked_files_are_found_in_the_checkout() -> None:
    """An editable install finds nginx.conf and wsgi.py inside mlberth_serve."""
    spec = importlib.util.find_spec("mlberth_serve")
    assert spec
    assert spec.origin
    for linked in ("nginx.conf", "wsgi.py"):
        assert (Path(spec.origin).parent / linked).read_bytes() == (ROOT / linked).read_bytes()
