"""Files of models that are not what they say: each ends the load with one message, and runs nothing."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serve.algorithms.models import write_knn, write_linear
from tests.serve.conftest import LoadProject

from mlberth.errors import ModelLoadError
from mlberth_serve.algorithms.model_file import NAME, read_file
from mlberth_train.algorithms.estimators import model_file as writer
from mlberth_train.algorithms.estimators.model_file import write_model


def test_both_sides_mean_the_same_file() -> None:
    """`train` writes what `serve` looks for."""
    from mlberth_serve.algorithms import model_file as reader

    assert (writer.NAME, writer.DESCRIPTION) == (reader.NAME, reader.DESCRIPTION)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Arrays and description come back as they are; numpy itself reads the arrays."""
    weights, bias = write_linear(tmp_path)
    found = read_file(tmp_path / NAME)
    assert (found.arrays["weights"] == weights).all()
    assert (found.arrays["bias"] == bias).all()
    assert found.description["feature_dim"] == 4
    with np.load(tmp_path / NAME) as file:
        assert (file["weights"] == weights).all()


def entries(path: Path) -> dict[str, bytes]:
    """Return the entries of a file."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path: Path, found: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a file of entries."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in found.items():
            archive.writestr(name, content)


def npy(array: Any) -> bytes:
    """Return an array as numpy saves it, objects too."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


class Exploit:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle calls."""
        return (pytest.fail, ("it was unpickled",))


def change(name: str, content: bytes) -> Callable[[Path], object]:
    """Return what replaces an entry of a file."""
    return lambda path: rewrite(path, {**entries(path), name: content})


def describe(**changes: Any) -> Callable[[Path], object]:
    """Return what changes the description."""

    def apply(path: Path) -> None:
        found = entries(path)
        description = {**json.loads(found["algorithm.json"]), **changes}
        rewrite(path, {**found, "algorithm.json": json.dumps(description).encode()})

    return apply


HUGE = npy(np.zeros(3)).replace(b"(3,)", b"(99999999999,)")
BREAKAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no archive": (lambda path: path.write_bytes(b"\x80\x04K\x01."), "no such archive"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Exploit())), "no such archive"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "no such archive"),
    "an object array": (change("bias.npy", npy(np.array([Exploit()], object))), "a damaged array"),
    "a header that lies": (change("bias.npy", HUGE), "a damaged array"),
    "no description": (
        lambda path: rewrite(path, {"bias.npy": entries(path)["bias.npy"]}),
        "no algorithm.json",
    ),
    "no JSON": (change("algorithm.json", b"{" * 100_000), "something else"),
    "another version": (describe(version=2), "something else"),
    "another algorithm": (describe(algorithm="blazingtext"), "algorithm 'blazingtext'"),
    "another width": (describe(feature_dim=5), "an array 'weights' of shape (1, 4)"),
    "no width": (describe(feature_dim=True), "feature_dim True"),
    "a threshold of text": (describe(threshold="high"), "a threshold 'high'"),
    "another kind": (describe(predictor_type="oracle"), "predictor_type 'oracle'"),
    "another number of outputs": (
        describe(predictor_type="multiclass_classifier"),
        "weights of 1 outputs for a multiclass_classifier",
    ),
    "text in an array": (change("bias.npy", npy(np.array(["a"]))), "no array of numbers 'bias'"),
    "nan": (change("bias.npy", npy(np.array([np.nan]))), "nan in the array 'bias'"),
    "no array": (
        lambda path: rewrite(
            path, {name: content for name, content in entries(path).items() if name != "bias.npy"}
        ),
        "no array of numbers 'bias'",
    ),
    "compressed": (
        lambda path: rewrite(path, entries(path), zipfile.ZIP_DEFLATED),
        "entries that are compressed",
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_damaged_files(model_dir: Path, load_project: LoadProject, name: str) -> None:
    """The message names the file and what is wrong with it."""
    write_linear(model_dir)
    breakage, message = BREAKAGES[name]
    breakage(model_dir / NAME)
    with pytest.raises(ModelLoadError) as caught:
        load_project()
    assert str(caught.value).startswith(f"{NAME}: found ")
    assert message in str(caught.value)


FOREST = {
    "left": np.array([1, 1, 2], np.int32),
    "right": np.array([2, 1, 2], np.int32),
    "feature": np.zeros(3, np.int32),
    "threshold": np.zeros(3),
    "length": np.ones(3),
    "roots": np.zeros(1, np.int32),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left": np.array([1, 0, 2], np.int32)}, "trees that lead nowhere"),
        ({"right": np.array([3, 1, 2], np.int32)}, "trees that lead nowhere"),
        ({"feature": np.array([2, 0, 0], np.int32)}, "trees that lead nowhere"),
        ({"feature": np.array([-1, 0, 0], np.int32)}, "trees that lead nowhere"),
        ({"roots": np.array([3], np.int32)}, "trees that lead nowhere"),
        ({"roots": np.array([0.0])}, "nodes whose numbers are not whole"),
        ({"length": np.ones(2)}, "an array 'length' of shape (2,)"),
    ],
)
def test_forests_that_are_none(
    model_dir: Path, load_project: LoadProject, changes: dict[str, Any], message: str
) -> None:
    """A way through a tree always ends, at nodes and features that there are."""
    given = {"feature_dim": 2, "num_trees": 1, "samples": 2}
    write_model(model_dir, "random-cut-forest", given, **{**FOREST, **changes})
    with pytest.raises(ModelLoadError, match=message.replace("(", r"\(").replace(")", r"\)")):
        load_project()


def test_neighbors_that_are_too_few(model_dir: Path, load_project: LoadProject) -> None:
    """More neighbors than rows cannot be found."""
    write_knn(model_dir, np.zeros((2, 2)), [0, 1], k=3)
    with pytest.raises(ModelLoadError, match="k 3 of 2 rows"):
        load_project()
