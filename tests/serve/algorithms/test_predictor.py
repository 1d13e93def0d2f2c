"""Models of algorithms asked in every form of the platform's, and in forms that they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.serve.algorithms.models import write_knn, write_linear
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth.channels import read_example, read_records, write_example
from mlberth.channels.examples import to_tensor
from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.app.application import Application
from mlberth_serve.codecs import recordio
from mlberth_serve.inference.announcement import served
from mlberth_serve.settings import Settings
from mlberth_train.algorithms.estimators.model_file import write_model

ROWS = np.array([[1.5, 16.0, 14.0, 23.0], [-3.0, -1.0, -4.0, 2.0]])
CSV = "1.5,16,14,23\n-3,-1,-4,2\n"
RECORDIO = "application/x-recordio-protobuf"


def post(application: Application, body: Any = CSV, content_type: str = "text/csv", accept: str = "") -> Any:
    """Ask for predictions."""
    headers = {"Accept": accept} if accept else {}
    return Client(application).post("/invocations", data=body, content_type=content_type, headers=headers)


def records(response: TestResponse) -> list[dict[str, list[float]]]:
    """Return the labels of a response's records."""
    import io

    found = [read_example(record) for record in read_records(io.BytesIO(response.data), "response")]
    assert not any(example.features for example in found)
    return [{name: list(tensor.values) for name, tensor in example.labels.items()} for example in found]  # type: ignore[union-attr]


@pytest.fixture
def regressor(model_dir: Path, load_project: LoadProject) -> tuple[Application, Any]:
    """Return an application with a linear model, and what that says of ROWS."""
    weights, bias = write_linear(model_dir)
    return load_project(SAGEMAKER_SAFE_MODELS_ONLY="true"), (ROWS @ weights.T + bias)[:, 0]


SPARSE = {"keys": [0, 1, 2, 3], "shape": [4], "values": ROWS[1].tolist()}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", CSV),
        ("text/csv; label_size=0; charset=utf-8", CSV),
        ("text/csv;label_size=1", "9,1.5,16,14,23\n8,-3,-1,-4,2\n"),
        (RECORDIO, recordio.encode(ROWS.astype(np.float32))),
        (
            "application/json",
            json.dumps(
                {
                    "instances": [
                        {"features": ROWS[0].tolist()},
                        {"data": {"features": {"values": ROWS[1].tolist()}}},
                    ]
                }
            ),
        ),
        ("application/json", json.dumps(ROWS.tolist())),
        ("application/jsonlines", "".join(json.dumps({"features": row}) + "\n" for row in ROWS.tolist())),
        (
            "application/jsonlines",
            "".join(
                json.dumps({"data": {"features": {**SPARSE, "values": row}}}) + "\n" for row in ROWS.tolist()
            ),
        ),
    ],
)
def test_every_form_of_request(regressor: Any, content_type: str, body: Any) -> None:
    """Each of the platform's common formats, dense and sparse, is read as the same rows."""
    application, expected = regressor
    response = post(application, body, content_type)
    assert response.status_code == 200, response.text
    assert [one["score"] for one in response.json["predictions"]] == pytest.approx(expected, rel=1e-6)


def test_sparse_records(regressor: Any) -> None:
    """A sparse tensor that does not say its width is as wide as the model."""
    import io

    from mlberth.channels import write_records

    application, _ = regressor
    file = io.BytesIO()
    write_records(file, [write_example({"values": to_tensor([2.0], [1])})])
    [one] = post(application, file.getvalue(), RECORDIO).json["predictions"]
    assert one["score"] == pytest.approx(2 * 0.2 - 0.5)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json; verbose=true", "application/json"),
        ("application/jsonlines", "application/jsonlines"),
        ("application/x-ndjson, text/csv;q=0.5", "application/x-ndjson"),
        ("text/csv", "text/csv"),
        (RECORDIO, RECORDIO),
    ],
)
def test_every_form_of_response(regressor: Any, accept: str, content_type: str) -> None:
    """The Accept header chooses, by the rules of HTTP; every form says the same."""
    application, expected = regressor
    response = post(application, accept=accept)
    assert response.headers["Content-Type"].startswith(content_type)
    if content_type == "application/json":
        found = [one["score"] for one in response.json["predictions"]]
    elif content_type == RECORDIO:
        found = [one["score"][0] for one in records(response)]
    elif content_type == "text/csv":
        found = [float(line) for line in response.text.splitlines()]
    else:
        found = [json.loads(line)["score"] for line in response.text.splitlines()]
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "message"),
    [
        ("text/csv", "1,2,3\n", 400, "The rows of the body have 3 columns; the model has 4 features."),
        ("text/csv;label_size=1", CSV, 400, "have 4 columns; the model has 4 features beside 1 of labels"),
        ("text/csv;label_size=all", CSV, 415, "`label_size` is no whole number"),
        (
            "text/csv",
            "1,2,3,\n",
            400,
            "Row 0 of the body, counted from 0, has a cell that is no finite number",
        ),
        ("text/csv", "1,2,3,inf\n", 400, "no finite number"),
        ("text/csv", "1,2,3,a\n", 400, "something other than numbers"),
        ("text/csv", "", 400, "empty"),
        ("application/json", '{"instances": [{"features": [1, 2]}]}', 400, "have 2 columns"),
        ("application/json", '{"instances": [[[1, 2, 3, 4]]]}', 400, "3 dimensions"),
        ("application/json", '{"instances": [', 400, "cannot be read"),
        (
            "application/json",
            '{"instances": [{"data": {"features": {"keys": [9], "values": [1]}}}]}',
            400,
            "10",
        ),
        (RECORDIO, b"\x0a\x23\xd7\xce\x08\x00\x00\x00", 400, "breaks off"),
        ("application/pdf", b"%PDF", 415, "Content-Type is none of"),
        ("nothing", b"x", 400, "not a media type"),
    ],
)
def test_bodies_that_do_not_fit(
    regressor: Any, content_type: str, body: Any, status: int, message: str
) -> None:
    """The status and the message say what is wrong with a body."""
    response = post(regressor[0], body, content_type)
    assert (response.status_code, message in response.json["error"]["message"]) == (status, True), (
        response.text
    )


def test_a_type_that_is_not_written(regressor: Any) -> None:
    """406 names what there is."""
    response = post(regressor[0], accept="image/png")
    assert response.status_code == 406
    assert RECORDIO in response.json["error"]["message"]


def test_one_feature(model_dir: Path, load_project: LoadProject) -> None:
    """A flat list is a row, and with one feature a row each."""
    write_model(
        model_dir,
        "linear-learner",
        {"feature_dim": 1, "predictor_type": "regressor"},
        weights=np.array([[2.0]]),
        bias=np.zeros(1),
    )
    response = post(load_project(), "[1, 2, 3]", "application/json", "text/csv")
    assert response.text == "2.0\n4.0\n6.0\n"


def test_verbose_neighbors(model_dir: Path, load_project: LoadProject) -> None:
    """`verbose=true` in Accept adds distances, from the closest on, and the labels that belong to them."""
    write_knn(model_dir, [[0.0, 0], [3, 4], [6, 8], [30, 40]], [7, 5, 5, 5])
    application = load_project()
    assert post(application, "0,0\n").json == {"predictions": [{"predicted_label": 5.0}]}
    verbose = [{"predicted_label": 5.0, "distances": [0.0, 5.0, 10.0], "labels": [7.0, 5.0, 5.0]}]
    for accept in ("application/json; verbose=true", "application/json;verbose=TRUE"):
        assert post(application, "0,0\n", accept=accept).json == {"predictions": verbose}
    assert records(post(application, "0,0\n", accept=f"{RECORDIO}; verbose=true")) == [
        {"predicted_label": [5.0], "distances": [0.0, 5.0, 10.0], "labels": [7.0, 5.0, 5.0]}
    ]
    line = post(application, "0,0\n", accept="application/jsonlines; verbose=true").text
    assert json.loads(line) == verbose[0]


def test_the_default_type(model_dir: Path, load_project: LoadProject) -> None:
    """SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT answers a request that accepts anything."""
    write_linear(model_dir)
    name = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
    assert post(load_project(**{name: "text/csv; charset=utf-8"})).text.count("\n") == 2
    with pytest.raises(ContractError, match=f"{name}: found 'image/png'; expected one of application/json"):
        load_project(**{name: "image/png"})


def test_a_handler_counts_before_the_model(model_dir: Path, load_project: LoadProject) -> None:
    """With code of the user's the file is his."""
    write_linear(model_dir)
    application = load_project("predict_only")
    assert post(application, "[[1, 2]]", "application/json").status_code == 200


def test_another_model_beside_it(model_dir: Path, load_project: LoadProject) -> None:
    """One of two models cannot be meant."""
    write_linear(model_dir)
    (model_dir / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelLoadError, match=r"several model files: algorithm.npz, model.onnx"):
        load_project()


def test_the_announcement_names_the_file(model_dir: Path) -> None:
    """What is served is said before it is loaded."""
    write_linear(model_dir)
    settings = Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)})
    assert (
        served(settings) == f"{model_dir}/algorithm.npz, a model of an algorithm, in the platform's formats"
    )


def test_the_description_of_the_server(model_dir: Path, load_project: LoadProject) -> None:
    """/openapi.json names what is read and written."""
    write_linear(model_dir)
    described = json.dumps(Client(load_project()).get("/openapi.json").json)
    assert RECORDIO in described
