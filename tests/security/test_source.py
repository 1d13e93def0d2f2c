"""What the source code must not do, read from its syntax trees, and what the locks must hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for root in ("toolkit", "train", "serve") for path in (ROOT / root).rglob("*.py")]
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}
# Calls that run what they read, and the only functions of ours that may make them. All read a model, which
# SAGEMAKER_SAFE_MODELS_ONLY refuses, a checkpoint of the job's own, or what they have just written.
RUNS_WHAT_IT_READS = {
    *("eval", "exec", "compile", "__import__"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads"),
    *("dill.load", "dill.loads", "marshal.load", "marshal.loads", "shelve.open"),
    *("torch.jit.load", "torch.export.load"),
    *("joblib.load", "yaml.load", "pandas.read_pickle", "runpy.run_path", "runpy.run_module"),
}
MAY_RUN_WHAT_THEY_READ = {
    ("serve/mlberth_serve/frameworks/pickles.py", "load_pickle", "joblib.load"),
    ("serve/mlberth_serve/frameworks/pickles.py", "_load_plain", "pickle.load"),
    ("serve/mlberth_serve/frameworks/torch.py", "load", "torch.jit.load"),
    ("serve/mlberth_serve/frameworks/torch.py", "load", "torch.export.load"),
    ("serve/mlberth_serve/worker/rehearsal.py", "rehearse", "joblib.load"),
    ("toolkit/mlberth/checkpoints/sklearn.py", "train", "joblib.load"),
}
UNPACKS = {"tarfile.open", "shutil.unpack_archive", "zipfile.ZipFile"}
# Archives of the user's go through the one extractor; the others look into a zip file, or make one.
MAY_UNPACK = {
    "toolkit/mlberth/code/archives.py",
    "toolkit/mlberth/transfer/push.py",
    "serve/mlberth_serve/codecs/npz.py",
    "toolkit/mlberth/compat/arrays.py",
    "serve/mlberth_serve/frameworks/torch.py",
    "serve/mlberth_serve/algorithms/model_file.py",
    "train/mlberth_train/algorithms/estimators/model_file.py",
}


def name_of(path: Path) -> str:
    """Return a source file's path in the repository."""
    return str(path.relative_to(ROOT))


def imported(tree: ast.AST) -> dict[str, str]:
    """Return the names that a file gives to what it imports, and what each is at home."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def calls(path: Path) -> list[tuple[str, str, ast.Call]]:
    """Return every call of a file with the function that it is in, and the full name of what is called."""
    tree = ast.parse(path.read_text())
    names = imported(tree)

    def walk(node: ast.AST, function: str) -> Iterator[tuple[str, str, ast.Call]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield function, names.get(first, first) + dot + rest, node
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function)

    return list(walk(tree, ""))


def keywords(call: ast.Call) -> dict[str | None, str]:
    """Return the keyword arguments of a call, as they are written."""
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def every_call() -> Iterator[tuple[str, str, str, ast.Call]]:
    """Yield every call of ours: its file, the function that it is in, what is called, and the call."""
    return ((name_of(path), *call) for path in SOURCES for call in calls(path))


def test_s09_no_shell_is_started() -> None:
    """No call starts a shell, and no process is started with `shell=`."""
    found = [
        (path, function, name)
        for path, function, name, call in every_call()
        if name in SHELLS or "shell" in keywords(call)
    ]
    assert found == []


def test_s10_nothing_runs_what_it_reads() -> None:
    """Only the listed functions unpickle, and each says so; numpy and torch are told not to."""
    safely = {"numpy.load": ("allow_pickle", "False"), "torch.load": ("weights_only", "True")}
    found = [(path, function, name) for path, function, name, _ in every_call() if name in RUNS_WHAT_IT_READS]
    assert set(found) - MAY_RUN_WHAT_THEY_READ == set()
    loads = [call for call in every_call() if call[2] in safely]
    assert loads
    assert [call[:3] for call in loads if safely[call[2]] not in keywords(call[3]).items()] == []


def test_s10_the_list_has_no_more_than_there_is() -> None:
    """Every function on the list still makes its call."""
    real = {(path, function, name) for path, function, name, _ in every_call()}
    assert real >= MAY_RUN_WHAT_THEY_READ


def test_s11_one_extractor_unpacks() -> None:
    """Archives are opened where the caps are, and no archive's `extract` or `extractall` is called."""
    found = [
        (path, function, name)
        for path, function, name, _ in every_call()
        if (name in UNPACKS and path not in MAY_UNPACK)
        or (name.endswith((".extract", ".extractall")) and name != "mlberth.code.archives.extract")
    ]
    assert found == []


@pytest.mark.parametrize("name", ["base", "sklearn", "xgboost", "torch", "serve"])
def test_s17_every_locked_package_has_a_hash(name: str) -> None:
    """What pip installs into an image is known to the byte."""
    text = (ROOT / f"constraints/{name}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert lines
    assert [
        line for line in lines if not re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_s17_the_images_check_the_hashes() -> None:
    """Every `pip install` of a Dockerfile is of our own wheel, or by a lock with hashes."""
    for name in ("Dockerfile.train", "Dockerfile.serve"):
        text = (ROOT / name).read_text().replace("\\\n", " ")
        for install in re.findall(r"pip install [^;]*", re.sub(r"#.*", "", text)):
            own = "--no-index" in install and "mlberth" in install
            # By default TORCH_LOCK names a file in which every line has its hash, so that pip asks for all.
            assert own or "--require-hashes" in install or "${TORCH_LOCK}" in install, install
        assert "ARG TORCH_LOCK=torch\n" in text or name == "Dockerfile.serve"
