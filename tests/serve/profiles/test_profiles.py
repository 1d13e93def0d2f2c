"""SAGEMAKER_PROFILE=sklearn and =pytorch: the bytes of the peers' containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth_serve.app.application import Application
from mlberth_serve.codecs import npy
from mlberth_serve.errors import BadRequestError
from mlberth_serve.profiles.peer_formats import (
    read_json,
    read_sit_csv,
    read_smc_csv,
    write_json,
    write_sit_csv,
    write_smc_csv,
)

ECHO = """
def model_fn(model_dir):
    return None


def predict_fn(data, model):
    return {result}
"""


def application_of(model_dir: Path, load_project: LoadProject, profile: str, result: str) -> Application:
    """Return an application whose handler predicts an expression of `data`."""
    (model_dir / "code").mkdir(exist_ok=True)
    (model_dir / "code/inference.py").write_text(ECHO.format(result=result))
    return load_project(SAGEMAKER_PROFILE=profile)


def post(application: Application, body: str | bytes, content_type: str, accept: str) -> TestResponse:
    """Ask for a prediction."""
    headers = {"Accept": accept}
    return Client(application).post("/invocations", data=body, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,3", [1, 2, 3]),
        ("5", 5),
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ('"1","2"', [1, 2]),
        ("1\n2\n", [1, 2]),
    ],
)
def test_smc_csv_has_no_dimension_of_one(text: str, expected: Any) -> None:
    """A row is one dimension, a cell none."""
    assert read_smc_csv(text).tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,3", [1, 2, 3]),
        ("5", 5),
        ("# c\n1,2", [1, 2]),
        ("1.5,,3", [1.5, np.nan, 3.0]),
        ("1,2\n\n3,4", [[1, 2], [3, 4]]),
    ],
)
def test_sit_csv_is_what_genfromtxt_makes(text: str, expected: Any) -> None:
    """Comments are left out, and an empty cell among floats is nan."""
    np.testing.assert_array_equal(read_sit_csv(text), expected)


@pytest.mark.parametrize("read", [read_smc_csv, read_sit_csv, read_json])
@pytest.mark.parametrize("text", ["1,2\n3", "a,b", '"1', "[1, [2]]", "["])
def test_bad_text_is_the_clients_fault(read: Any, text: str) -> None:
    """What ends in a 500 at the peers is 400."""
    with pytest.raises(BadRequestError):
        read(text)


F32 = np.array([0.1, 1.0], dtype=np.float32)
WRITTEN = {
    "json float32": (write_json, F32, b"[0.10000000149011612, 1.0]"),
    "json nan": (write_json, np.array([np.nan, 1]), b"[NaN, 1.0]"),
    "smc float32": (write_smc_csv, F32, b"0.1\n1.0\n"),
    "smc rows": (write_smc_csv, [[1, 2], [3, 4]], b"1,2\n3,4\n"),
    "smc text": (write_smc_csv, ["a,b", "c"], b'"a,b"\nc\n'),
    "sit column": (write_sit_csv, [0.5, 1], b"0.5\n1.0\n"),
    "sit rows": (write_sit_csv, [[1, 2], [3, 4]], b"1,2\n3,4\n"),
    "sit text": (write_sit_csv, ["a,b"], b"a,b\n"),
}


@pytest.mark.parametrize(("write", "value", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_numbers_are_written_as_the_peers_do(write: Any, value: Any, expected: bytes) -> None:
    """Spaces in JSON, bare NaN, every digit of a float32, one dimension of CSV as a column."""
    assert write(value) == expected


@pytest.mark.parametrize("write", [write_smc_csv, write_sit_csv])
def test_number_alone_is_no_csv(write: Any) -> None:
    """No dimension at all fails, as at the peers."""
    with pytest.raises((TypeError, ValueError)):
        write(np.float32(1))


def test_sklearn_profile_gives_a_handler_float32(model_dir: Path, load_project: LoadProject) -> None:
    """CSV and JSON are float32 in the shape of the peer, .npy is as it was sent."""
    application = application_of(model_dir, load_project, "sklearn", "str(data.dtype) + str(data.shape)")
    cases: list[tuple[str | bytes, str, str]] = [
        ("1,2", "text/csv; charset=utf-8", "float32(2,)"),
        ("[[1, 2]]", "application/json", "float32(1, 2)"),
        (npy.encode(np.arange(2)), "application/x-npy", "int64(2,)"),
    ]
    for body, content_type, expected in cases:
        assert json.loads(post(application, body, content_type, "application/json").text) == expected
    assert post(application, "1 0:1", "text/libsvm", "*/*").status_code == 415
    assert post(application, "1", "text/csv", "application/jsonlines").status_code == 406


def test_sklearn_profile_writes_the_peers_bytes(model_dir: Path, load_project: LoadProject) -> None:
    """CSV has the charset that Flask gives it."""
    application = application_of(model_dir, load_project, "sklearn", "data * 1")
    answer = post(application, "0.1,nan", "text/csv", "application/json")
    assert answer.text == "[0.10000000149011612, NaN]"
    answer = post(application, "0.1,2", "text/csv", "text/csv")
    assert (answer.text, answer.headers["Content-Type"]) == ("0.1\n2.0\n", "text/csv; charset=utf-8")


def test_sklearn_profile_reshapes_nothing(model_dir: Path, load_project: LoadProject) -> None:
    """One row in one dimension is refused by the model, as there, but as the client's fault."""
    joblib, linear_model = pytest.importorskip("joblib"), pytest.importorskip("sklearn.linear_model")
    joblib.dump(linear_model.LinearRegression().fit([[0, 0], [1, 0]], [0, 2]), model_dir / "model.joblib")
    application = load_project(SAGEMAKER_PROFILE="sklearn")
    assert post(application, "1,2", "text/csv", "text/csv").status_code == 400
    assert post(application, "1,2\n1,2", "text/csv", "text/csv").status_code == 200


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_pytorch_profile_answers_as_the_peer(model_dir: Path, load_project: LoadProject) -> None:
    """A TorchScript module gets a float32 tensor; its numbers have every digit of a float32."""
    torch = pytest.importorskip("torch")
    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), model_dir / "model.pt")
    application = load_project(SAGEMAKER_PROFILE="pytorch")
    assert (
        post(application, "[0.1, 1]", "application/json", "application/json").text
        == "[0.10000000149011612, 1.0]"
    )
    answer = post(application, "0.1,1", "text/csv", "text/csv")
    assert (answer.text, answer.headers["Content-Type"]) == ("0.10000000149011612\n1.0\n", "text/csv")
    assert (
        post(application, npy.encode(np.arange(2)), "application/x-npy", "application/json").text == "[0, 1]"
    )
    assert post(application, "1", "text/libsvm", "*/*").status_code == 415
    assert post(application, '["a"]', "application/json", "*/*").status_code == 400
    assert post(application, "1,2", "text/csv", "application/jsonlines").status_code == 406
