"""SAGEMAKER_PROFILE=xgboost: the platform's own algorithm, without a handler."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_iris
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth.errors import ContractError, ModelLoadError
from mlberth.protobuf import read_fields
from mlberth_serve.app.application import Application
from mlberth_serve.codecs import recordio
from mlberth_serve.profiles.xgboost_ensemble import Ensemble
from mlberth_serve.profiles.xgboost_output import select

IRIS, SPECIES = load_iris(return_X_y=True)
ROWS = IRIS[::60]
CSV_ROWS = "\n".join(",".join(map(str, row)) for row in ROWS)
PROFILE = {"SAGEMAKER_PROFILE": "xgboost"}


def train(objective: str, rounds: int = 3, **parameters: Any) -> Any:
    """Return a Booster of irises."""
    labels = SPECIES if objective.startswith("multi") else SPECIES > 0
    if objective.startswith("multi"):
        parameters["num_class"] = 3
    return xgboost.train(
        {"objective": objective, "nthread": 1, **parameters}, xgboost.DMatrix(IRIS, labels), rounds
    )


def predicted(booster: Any) -> list[Any]:
    """Return what a Booster says of the rows, as Python's numbers."""
    answer: list[Any] = booster.predict(xgboost.DMatrix(ROWS)).tolist()
    return answer


def post(
    application: Application,
    body: str | bytes = CSV_ROWS,
    accept: str | None = None,
    content_type: str | None = "text/csv",
) -> TestResponse:
    """Ask for predictions."""
    headers = {} if accept is None else {"Accept": accept}
    return Client(application).post("/invocations", data=body, content_type=content_type, headers=headers)


@pytest.fixture
def binary(model_dir: Path) -> Any:
    """Return a Booster that lies in the model folder."""
    booster = train("binary:logistic")
    booster.save_model(model_dir / "model.ubj")
    (model_dir / ".hidden").write_text("no model")
    return booster


@pytest.mark.parametrize("accept", [None, "*/*", "text/csv", "TEXT/CSV; charset=utf-8"])
def test_csv_is_a_score_a_line(binary: Any, load_project: LoadProject, accept: str | None) -> None:
    """CSV is the default; numbers have every digit of a float32."""
    answer = post(load_project(**PROFILE), accept=accept)
    assert answer.text == "".join(f"{score}\n" for score in predicted(binary))
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_json_is_predictions_with_scores(binary: Any, load_project: LoadProject) -> None:
    """The platform's common form of inference."""
    answer = post(load_project(**PROFILE), accept="application/json")
    assert answer.text == json.dumps({"predictions": [{"score": score} for score in predicted(binary)]})
    assert answer.headers["Content-Type"] == "application/json"


def test_json_lines_and_recordio_hold_scores(binary: Any, load_project: LoadProject) -> None:
    """Where the container fails, an answer of the same form is given."""
    application = load_project(**PROFILE)
    lines = post(application, accept="application/jsonlines").text.splitlines()
    assert [json.loads(line) for line in lines] == [{"score": score} for score in predicted(binary)]
    body = post(application, accept="application/x-recordio-protobuf").data
    assert labels_of(body) == [{"score": [score]} for score in predicted(binary)]


def labels_of(body: bytes) -> list[dict[str, list[float]]]:
    """Return the float32 labels of each record."""
    records = []
    for frame in recordio._read_frames(memoryview(body)):
        labels = {}
        for number, _, entry in read_fields(frame):
            assert number == recordio.LABEL
            (_, _, name), (_, _, value) = read_fields(entry)
            ((field, _, tensor),) = read_fields(value)
            assert field == 2
            ((_, _, packed),) = read_fields(tensor)
            labels[bytes(name).decode()] = np.frombuffer(packed, "<f4").tolist()
        records.append(labels)
    return records


def test_default_accept_of_the_container(binary: Any, load_project: LoadProject) -> None:
    """SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT answers what accepts anything; what nobody writes is refused."""
    application = load_project(**PROFILE, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="application/jsonlines")
    assert post(application).headers["Content-Type"] == "application/jsonlines"
    with pytest.raises(ContractError, match="SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"):
        load_project(**PROFILE, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="image/png")


def test_batch_is_lines(binary: Any, load_project: LoadProject) -> None:
    """Under SAGEMAKER_BATCH every type is lines."""
    expected = "".join(f"{score}\n" for score in predicted(binary))
    assert post(load_project(**PROFILE, SAGEMAKER_BATCH="true"), accept="application/json").text == expected


LIBSVM = "1 1:5.1 2:3.5 3:1.4 4:0.2\n0 1:6.0 2:3.0 3:4.8 4:1.8"
STATUSES = {
    "empty": ({"body": ""}, 204, ""),
    "unknown type": (
        {"content_type": "application/json"},
        415,
        "application/json is not an accepted ContentType: ",
    ),
    "parquet": ({"content_type": "application/x-parquet"}, 415, "is not supported."),
    "label_size": ({"content_type": "text/csv; label_size=2"}, 415, "label_size must be equal to 1"),
    "label_size with blanks": ({"content_type": "text/csv;label_size = 1"}, 200, "0."),
    "label_size in quotes": ({"content_type": 'text/csv; charset=utf8; label_size="1"'}, 200, "0."),
    "type with a parameter that is none": ({"content_type": "text/csv; a"}, 200, "0."),
    "no type": ({"content_type": "JPEG"}, 415, "JPEG is not an accepted ContentType: csv, libsvm, "),
    "type as sent": (
        {"content_type": "Text/CSV; label_size=2"},
        415,
        "Text/CSV; label_size=2 is not an accepted csv ContentType. Optional parameter label_size must be",
    ),
    "two types": ({"content_type": "text/csv, a/b"}, 415, "text/csv, a/b is not an accepted ContentType: "),
    "text in CSV": (
        {"body": "1,a,2,3"},
        415,
        "Loading csv data failed with Exception, please ensure data is in csv",
    ),
    "ragged CSV": ({"body": "1,2,3,4\n1,2"}, 415, "Loading csv data failed"),
    "bad libsvm": ({"body": "1 a:b", "content_type": "libsvm"}, 415, "Loading libsvm data failed"),
    "bad recordio": (
        {"body": "x", "content_type": "recordio-protobuf"},
        415,
        "Loading recordio-protobuf data failed",
    ),
    "too wide": ({"body": "1,2,3,4,5,6,7"}, 400, "Unable to evaluate payload provided: "),
    "accept": (
        {"accept": "image/PNG;q=1"},
        406,
        "Accept type image/PNG is not supported. Please use supported accept types: ['application/json', ",
    ),
    "accept that is none": ({"accept": "json"}, 406, "Accept type json is not supported. "),
    "too wide, and accept": ({"body": "1,2,3,4,5,6,7", "accept": "image/png"}, 400, "Unable to evaluate"),
}


@pytest.mark.parametrize(("request_", "status", "text"), STATUSES.values(), ids=STATUSES)
def test_statuses_are_the_containers(
    binary: Any, load_project: LoadProject, request_: dict[str, Any], status: int, text: str
) -> None:
    """Errors are plain text under the container's statuses; an empty body is 204."""
    answer = post(load_project(**PROFILE), **request_)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-Id"]


@pytest.mark.parametrize("content_type", [None, "libsvm", "text/libsvm", "text/x-libsvm; charset=utf-8"])
def test_libsvm_counts_from_one_where_nothing_is_zero(
    binary: Any, load_project: LoadProject, content_type: str | None
) -> None:
    """A body without a type is libsvm, whose columns count from 1 where none is 0."""
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 3.0, 4.8, 1.8]])
    expected = binary.predict(xgboost.DMatrix(rows)).tolist()
    application = load_project(**PROFILE)
    body = LIBSVM if content_type else LIBSVM.encode()
    assert post(application, body, content_type=content_type).text == "".join(
        f"{score}\n" for score in expected
    )


@pytest.mark.parametrize(
    "body", [CSV_ROWS.replace(",", ";"), CSV_ROWS.replace(",", "\t"), f"\n{CSV_ROWS}\n\n"]
)
def test_delimiter_of_csv_is_guessed(binary: Any, load_project: LoadProject, body: str) -> None:
    """Semicolons and tabs part cells as well; white space around the body does not matter."""
    assert post(load_project(**PROFILE), body).text == "".join(f"{score}\n" for score in predicted(binary))


def test_empty_cell_is_missing(binary: Any, load_project: LoadProject) -> None:
    """An empty CSV cell is what XGBoost calls missing."""
    expected = binary.predict(xgboost.DMatrix(np.array([[5.1, np.nan, 1.4, 0.2]]))).item()
    assert post(load_project(**PROFILE), "5.1,,1.4,0.2").text == f"{expected}\n"


def test_recordio_is_read(binary: Any, load_project: LoadProject) -> None:
    """Records of features are rows."""
    answer = post(
        load_project(**PROFILE), recordio.encode(ROWS), content_type="application/x-recordio-protobuf"
    )
    assert answer.text == "".join(f"{score}\n" for score in predicted(binary))


def test_ensemble_is_the_mean(model_dir: Path, binary: Any, load_project: LoadProject) -> None:
    """Every file that begins with no dot is asked, whatever its name, and their answers are averaged."""
    other = train("binary:logistic", 1)
    (model_dir / "model-2").write_bytes(pickle.dumps(other))
    both = [booster.predict(xgboost.DMatrix(ROWS)) for booster in (binary, other)]
    expected = np.mean(both, axis=0).tolist()
    assert post(load_project(**PROFILE)).text == "".join(f"{score}\n" for score in expected)
    alone = post(load_project(**PROFILE, SAGEMAKER_INFERENCE_ENSEMBLE="false"))
    assert alone.text == "".join(f"{score}\n" for score in predicted(other))


def test_ensemble_of_labels_votes() -> None:
    """Labels are voted on; of equals the least wins."""

    class Voter:
        """A model that always says the same."""

        def __init__(self, *labels: float) -> None:
            self._labels = np.array(labels, dtype=np.float32)

        def predict(self, *_: Any, validate_features: bool) -> Any:  # noqa: ARG002
            """Return the labels."""
            return self._labels

    voters = [Voter(2, 0, 1), Voter(2, 1, 0), Voter(0, 1, 2)]
    ensemble = Ensemble(voters, "multi:softmax", 3, checks_width=False)
    assert ensemble.predict(None, "csv").tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "1,2",
            "Feature size of csv inference data 2 is not consistent with feature size of trained model 4.",
        ),
        ("1,2,3,4,5", "Feature size of csv inference data 5 is not consistent"),
    ],
)
def test_pickled_models_check_the_width(
    model_dir: Path, load_project: LoadProject, body: str, message: str
) -> None:
    """A pickled Booster's columns are compared, in the container's words."""
    (model_dir / "xgboost-model").write_bytes(pickle.dumps(train("binary:logistic")))
    answer = post(load_project(**PROFILE), body)
    assert (answer.status_code, message in answer.text) == (400, True)


LABEL, ALL_BINARY = "predicted_label", "predicted_label,labels,probability,probabilities,raw_score,raw_scores"


@pytest.mark.parametrize("objective", ["binary:logistic", "binary:logitraw", "binary:hinge"])
def test_binary_selection(objective: str) -> None:
    """What a binary objective has is told of class 1; the rest is nan."""
    raw = np.array([0.25, 2.0], dtype=np.float32)
    first, second = select(raw, ALL_BINARY.split(","), objective, 0)
    assert first["labels"] == [0, 1]
    assert (first["raw_score"], first["raw_scores"]) == (0.25, [0.75, 0.25])
    labels = {"binary:logistic": (0, 1), "binary:logitraw": (1, 1), "binary:hinge": (0.25, 2.0)}
    assert (first[LABEL], second[LABEL]) == labels[objective]
    if objective == "binary:logistic":
        assert (first["probability"], first["probabilities"]) == (0.25, [0.75, 0.25])
    else:
        assert np.isnan(first["probability"])


def test_multiclass_selection() -> None:
    """Of several classes the winner's number is told, and all of them."""
    raw = np.array([[0.25, 0.5, 0.25]], dtype=np.float32)
    (item,) = select(raw, ALL_BINARY.split(","), "multi:softprob", 3)
    assert item == {
        "predicted_label": 1,
        "labels": [0, 1, 2],
        "probability": 0.5,
        "probabilities": [0.25, 0.5, 0.25],
        "raw_score": 0.5,
        "raw_scores": [0.25, 0.5, 0.25],
    }
    (item,) = select(np.array([2.0]), ["labels", "predicted_label"], "multi:softmax", 3)
    assert item == {"predicted_label": 2.0, "labels": [0, 1, 2]}
    (item,) = select(np.array([2.5]), ["predicted_score"], "reg:squarederror", 0)
    assert item == {"predicted_score": 2.5}


def selecting(load_project: LoadProject, keys: str, **more: str) -> Application:
    """Return an application that answers with selected content."""
    return load_project(**PROFILE, SAGEMAKER_INFERENCE_OUTPUT=keys, **more)


def test_selected_content_is_written(binary: Any, load_project: LoadProject) -> None:
    """Each type has its form; CSV has the order of the keys, and a last line end in batch alone."""
    scores = predicted(binary)
    items: list[dict[str, Any]] = [
        {"predicted_label": int(score > 0.5), "probabilities": [1.0 - score, score]} for score in scores
    ]
    application = selecting(load_project, "Probabilities, predicted_label")
    assert post(application, accept="application/json").text == json.dumps({"predictions": items})
    lines = "".join(json.dumps(item) + "\n" for item in items)
    assert post(application, accept="application/jsonlines").text == lines
    rows = "\n".join(f'"{item["probabilities"]}",{item["predicted_label"]}' for item in items)
    assert post(application, accept="text/csv").text == rows
    batch = selecting(load_project, "probabilities,predicted_label", SAGEMAKER_BATCH="true")
    assert post(batch, accept="text/csv").text == rows + "\n"
    records = labels_of(post(application, accept="application/x-recordio-protobuf").data)
    assert [record["predicted_label"] for record in records] == [[item["predicted_label"]] for item in items]


def test_what_an_objective_lacks_is_nan(
    binary: Any, load_project: LoadProject, caplog: pytest.LogCaptureFixture
) -> None:
    """It is bare NaN in JSON and nan in CSV, and the log says so once, at the load."""
    application = selecting(load_project, "predicted_score")
    assert "predicted_score is nan for binary:logistic" in caplog.text
    assert post(application, accept="application/json").text.startswith(
        '{"predictions": [{"predicted_score": NaN}'
    )
    assert post(application).text.splitlines()[0] == "nan"


def test_selection_that_nobody_can_make(model_dir: Path, load_project: LoadProject) -> None:
    """An objective without selected content, and a selection without the profile, end the load."""
    train("rank:pairwise").save_model(model_dir / "model.ubj")
    with pytest.raises(ContractError, match="rank:pairwise"):
        selecting(load_project, "predicted_label")
    with pytest.raises(ContractError, match="SAGEMAKER_PROFILE=xgboost"):
        load_project(SAGEMAKER_INFERENCE_OUTPUT="predicted_label")


def test_multiclass_rows_are_lines_of_csv(model_dir: Path, load_project: LoadProject) -> None:
    """Several numbers a row are comma separated."""
    booster = train("multi:softprob")
    booster.save_model(model_dir / "model.ubj")
    expected = "".join(",".join(map(str, row)) + "\n" for row in predicted(booster))
    assert post(load_project(**PROFILE)).text == expected


def test_model_folder_must_hold_models(model_dir: Path, load_project: LoadProject) -> None:
    """An empty folder, a file that is no model and a pickle that may not be loaded end the load."""
    with pytest.raises(ModelLoadError, match="no file in it"):
        load_project(**PROFILE)
    (model_dir / "model").write_bytes(pickle.dumps(train("binary:logistic")))
    with pytest.raises(ModelLoadError, match="SAGEMAKER_SAFE_MODELS_ONLY"):
        load_project(**PROFILE, SAGEMAKER_SAFE_MODELS_ONLY="true")
    (model_dir / "readme.txt").write_text("no model")
    with pytest.raises(ModelLoadError, match=r"readme\.txt"):
        load_project(**PROFILE)


def test_handler_gets_a_matrix(model_dir: Path, binary: Any, load_project: LoadProject) -> None:
    """A handler without an input_fn gets a DMatrix, of the container's types alone."""
    (model_dir / "code").mkdir()
    (model_dir / "code/inference.py").write_text(
        "import xgboost\n\n\n"
        "def model_fn(model_dir):\n    return xgboost.Booster(model_file=model_dir + '/model.ubj')\n"
    )
    application = load_project(**PROFILE)
    assert post(application).text == "".join(f"{np.float32(score)!s}\n" for score in predicted(binary))
    assert post(application, accept="application/json").text == json.dumps(predicted(binary))
    assert post(application, "[[1]]", content_type="application/json").status_code == 415
