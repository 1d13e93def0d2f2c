"""Each algorithm from its data to its answers: the real `train`, then the real `serve`, no code between."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_iris
from tests.serve.algorithms.models import write_linear
from tests.serve.models import ModelsServer
from tests.serve.running import Server, require_nginx
from tests.train.running import Tree

from mlberth.channels import read_example, read_records, write_example, write_records

IRIS, SPECIES = load_iris(return_X_y=True)
ASKED = [0, 75, 149]
RECORDIO = "application/x-recordio-protobuf"


class Case(NamedTuple):
    """One algorithm."""

    hyperparameters: dict[str, str]
    envelope: str
    names: list[str]
    """What a row of the answer says."""
    label_size: int = 1


CASES = {
    "linear-learner": Case(
        {"predictor_type": "multiclass_classifier", "num_classes": "3", "optimizer": "adam"},
        "predictions",
        ["score", "predicted_label"],
    ),
    "knn": Case(
        {"feature_dim": "4", "k": "3", "sample_size": "200", "predictor_type": "classifier"},
        "predictions",
        ["predicted_label"],
    ),
    "kmeans": Case(
        {"feature_dim": "4", "k": "3"}, "predictions", ["closest_cluster", "distance_to_cluster"], 0
    ),
    "pca": Case({"feature_dim": "4", "num_components": "2"}, "projections", ["projection"], 0),
    "random-cut-forest": Case({"feature_dim": "4", "num_trees": "50"}, "scores", ["score"], 0),
}


def bodies() -> dict[str, bytes]:
    """Return the rows that are asked in each form of the platform's."""
    rows = IRIS[ASKED].tolist()
    records = io.BytesIO()
    write_records(records, map(write_example, rows))
    return {
        "text/csv": "".join(",".join(map(str, row)) + "\n" for row in rows).encode(),
        "application/json": json.dumps({"instances": [{"features": row} for row in rows]}).encode(),
        "application/jsonlines": "".join(json.dumps({"features": row}) + "\n" for row in rows).encode(),
        RECORDIO: records.getvalue(),
    }


def flat(rows: Any, names: list[str]) -> Any:
    """Return the numbers of an answer's rows, one row each."""
    return np.array([np.concatenate([np.atleast_1d(row[name]) for name in names]) for row in rows])


def read(body: bytes, accept: str, case: Case) -> Any:
    """Return the numbers of an answer, one row each."""
    if accept == "text/csv":
        return np.loadtxt(io.BytesIO(body), delimiter=",", ndmin=2)
    if accept == RECORDIO:
        found = [read_example(record).labels for record in read_records(io.BytesIO(body), "answer")]
        return flat([{name: one[name].values for name in case.names} for one in found], case.names)  # type: ignore[union-attr]
    if accept == "application/jsonlines":
        return flat([json.loads(line) for line in body.splitlines()], case.names)
    answer = json.loads(body)
    assert list(answer) == [case.envelope]
    assert all(list(row) == case.names for row in answer[case.envelope])
    return flat(answer[case.envelope], case.names)


@pytest.mark.parametrize("name", CASES)
def test_from_data_to_answers(tmp_path: Path, name: str) -> None:
    """Every form of request gets the same numbers in every form of response; the log has metrics."""
    require_nginx()
    case = CASES[name]
    tree = Tree(tmp_path / "ml").config(
        hyperparameters=case.hyperparameters,
        inputdataconfig={"train": {"ContentType": f"text/csv;label_size={case.label_size}"}},
        resourceconfig={"current_host": "algo-1", "hosts": ["algo-1"]},
    )
    channel = tree.layout.channel("train")
    channel.mkdir(parents=True)
    rows = np.column_stack([SPECIES, IRIS]) if case.label_size else IRIS
    np.savetxt(channel / "iris.csv", rows, delimiter=",", fmt="%g")
    ended = tree.train(SAGEMAKER_ALGORITHM=name)
    assert ended.code == 0, ended.err
    if name in ("linear-learner", "kmeans", "pca"):
        assert "#quality_metric: host=algo-1, train " in ended.out
        assert (tree.layout.output_data / "metrics.jsonl").read_text()
    with Server(
        tmp_path,
        "mlberth_serve.wsgi:application",
        SAGEMAKER_SAFE_MODELS_ONLY="true",
        SAGEMAKER_MODEL_SERVER_WORKERS="1",
    ) as server:
        server.wait_ready()
        answers = [
            read(response.body, accept, case)
            for content_type, body in bodies().items()
            for accept in bodies()
            for response in [
                server.request("POST", "/invocations", body, {"Content-Type": content_type, "Accept": accept})
            ]
        ]
    assert len(answers) == 16
    assert all(len(answer) == 3 for answer in answers)
    assert all(answer == pytest.approx(answers[0], rel=1e-5, abs=1e-6) for answer in answers)
    if "predicted_label" in case.names:
        assert answers[0][:, -1].tolist() == SPECIES[ASKED].tolist()


def test_a_job_that_cannot_be(tmp_path: Path) -> None:
    """Everything that is wrong is told at once, before anything is trained, and in output/failure."""
    tree = Tree(tmp_path / "ml").config(hyperparameters={"k": "0", "clusters": "3"})
    ended = tree.train(SAGEMAKER_ALGORITHM="kmeans")
    assert ended.code == 78
    for part in (
        "hyperparameter clusters",
        "hyperparameter k: found 0",
        "feature_dim: found nothing",
        "channel train",
    ):
        assert part in tree.failure
    assert "Traceback" not in ended.err


def test_factorization_machines(tmp_path: Path) -> None:
    """The algorithm that is left out is named with the reason."""
    tree = Tree(tmp_path / "ml").config(hyperparameters={})
    ended = tree.train(SAGEMAKER_ALGORITHM="factorization-machines")
    assert ended.code == 78
    assert "scikit-learn has no factorization machines" in tree.failure


def test_among_several_models(server: ModelsServer) -> None:
    """A model of an algorithm is one of those that a multi-model server loads and asks."""
    folder = server.models / "scores" / "model"
    folder.mkdir(parents=True)
    write_linear(folder)
    assert server.load("scores").status == 200
    answer = server.ask(
        "scores", "1,0,0,0\n", **{"Content-Type": "text/csv", "Accept": "application/jsonlines"}
    )
    assert (answer.status, json.loads(answer.body)) == (200, {"score": pytest.approx(-0.4)})
