"""What models of algorithms say, against scikit-learn's own predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from tests.serve.algorithms.models import write_knn

from mlberth_serve.algorithms import kmeans, knn, linear_learner, pca, random_cut_forest
from mlberth_serve.algorithms.model_file import NAME, read_file
from mlberth_train.algorithms.estimators.model_file import write_model
from mlberth_train.algorithms.estimators.random_cut_forest import _flatten

pytestmark = pytest.mark.differential


@pytest.fixture
def random() -> np.random.Generator:
    """Return numbers by chance, the same in each run."""
    return np.random.default_rng(7)


def ask(make_scorer: Any, folder: Path, rows: Any, *, verbose: bool = False) -> dict[str, Any]:
    """Return what the model in a folder says of rows."""
    columns: dict[str, Any] = make_scorer(read_file(folder / NAME))(rows, verbose)
    return columns


@pytest.mark.parametrize("classes", [2, 4])
def test_linear_classifiers(tmp_path: Path, random: np.random.Generator, classes: int) -> None:
    """Scores are LogisticRegression's probabilities, and labels its classes."""
    rows, labels = random.normal(size=(60, 5)), np.arange(60) % classes
    model = LogisticRegression().fit(rows, labels)
    kind = "binary_classifier" if classes == 2 else "multiclass_classifier"
    given = {"feature_dim": 5, "predictor_type": kind, "loss": "logistic", "threshold": 0.5}
    write_model(tmp_path, "linear-learner", given, weights=model.coef_, bias=model.intercept_)
    found = ask(linear_learner.make_scorer, tmp_path, 5 * rows)
    probabilities = model.predict_proba(5 * rows)
    assert found["score"] == pytest.approx(probabilities[:, 1] if classes == 2 else probabilities)
    assert found["predicted_label"].tolist() == model.predict(5 * rows).tolist()
    assert found["predicted_label"].dtype.kind == "i"


def test_margins(tmp_path: Path) -> None:
    """With hinge_loss the score is the margin itself, and the threshold one of margins."""
    given = {"feature_dim": 1, "predictor_type": "binary_classifier", "loss": "hinge_loss", "threshold": -1.5}
    write_model(tmp_path, "linear-learner", given, weights=np.array([[2.0]]), bias=np.array([0.0]))
    found = ask(linear_learner.make_scorer, tmp_path, np.array([[-1.0], [-0.75], [3]]))
    assert found["score"].tolist() == [-2.0, -1.5, 6.0]
    assert found["predicted_label"].tolist() == [0, 1, 1]


def test_a_class_without_rows(tmp_path: Path) -> None:
    """A bias of minus infinity is the probability 0."""
    given = {"feature_dim": 1, "predictor_type": "multiclass_classifier", "loss": "softmax_loss"}
    write_model(tmp_path, "linear-learner", given, weights=np.zeros((3, 1)), bias=np.array([0, -np.inf, 0]))
    assert ask(linear_learner.make_scorer, tmp_path, np.ones((1, 1)))["score"].tolist() == [[0.5, 0, 0.5]]


@pytest.mark.parametrize("metric", ["L2", "COSINE", "INNER_PRODUCT"])
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_neighbors(tmp_path: Path, random: np.random.Generator, metric: str, kind: str) -> None:
    """Labels, and with `verbose` distances, are those of scikit-learn's neighbors."""
    points, rows = random.normal(size=(200, 6)).astype(np.float32) + 1000, random.normal(size=(50, 6)) + 1000
    if metric != "L2":
        points, rows = points - 1000, rows - 1000
    labels = random.integers(0, 4, 200).astype(float)
    write_knn(tmp_path, points, labels, k=5, predictor_type=kind, index_metric=metric)
    found = ask(knn.make_scorer, tmp_path, rows, verbose=True)
    names = {"L2": "euclidean", "COSINE": "cosine", "INNER_PRODUCT": lambda one, other: 1e6 - one @ other}
    estimator = KNeighborsClassifier if kind == "classifier" else KNeighborsRegressor
    model = estimator(5, metric=names[metric], algorithm="brute").fit(points.astype(float), labels)
    far, near = model.kneighbors(rows)
    expected = {"L2": far, "COSINE": 1 - far, "INNER_PRODUCT": 1e6 - far}[metric]
    assert found["distances"] == pytest.approx(expected, rel=1e-6)
    assert found["labels"] == pytest.approx(labels[near])
    assert found["predicted_label"] == pytest.approx(model.predict(rows))
    assert ask(knn.make_scorer, tmp_path, rows).keys() == {"predicted_label"}


def test_neighbors_in_parts(tmp_path: Path, random: np.random.Generator, monkeypatch: Any) -> None:
    """Rows that are asked in parts get the same answers; k may be all points; equals count by their order."""
    points, rows = np.repeat([[0.0, 0], [1, 1]], 3, axis=0), random.normal(size=(20, 2))
    write_knn(tmp_path, points, [3, 2, 1, 1, 2, 3], k=6)
    whole = ask(knn.make_scorer, tmp_path, rows, verbose=True)
    monkeypatch.setattr("mlberth_serve.algorithms.distances._CELLS", 20)
    parts = ask(knn.make_scorer, tmp_path, rows, verbose=True)
    assert all((parts[name] == whole[name]).all() for name in whole)
    assert (whole["predicted_label"] == 1).all()
    first = ask(knn.make_scorer, tmp_path, np.array([[-1.0, -1.0]]), verbose=True)["labels"]
    assert first.tolist() == [[3, 2, 1, 1, 2, 3]]


def test_neighbors_below_a_projection(tmp_path: Path, random: np.random.Generator) -> None:
    """Rows are projected before they are compared."""
    projection = random.normal(size=(6, 2)).astype(np.float32)
    points, rows = random.normal(size=(40, 2)).astype(np.float32), random.normal(size=(9, 6))
    labels = np.arange(40) % 8
    write_knn(tmp_path, points, labels, projection, k=1)
    model = KNeighborsClassifier(1).fit(points, labels)
    found = ask(knn.make_scorer, tmp_path, rows)["predicted_label"]
    assert found == pytest.approx(model.predict(rows.astype(np.float32) @ projection))


def test_clusters(tmp_path: Path, random: np.random.Generator) -> None:
    """The closest center and its distance are those of scikit-learn."""
    centers, rows = random.normal(size=(8, 3)).astype(np.float32), random.normal(size=(100, 3))
    write_model(tmp_path, "kmeans", {"feature_dim": 3}, centers=centers)
    found = ask(kmeans.make_scorer, tmp_path, rows)
    closest, distances = pairwise_distances_argmin_min(rows, centers.astype(float))
    assert found["closest_cluster"].tolist() == closest.tolist()
    assert found["distance_to_cluster"] == pytest.approx(distances)


def test_projections(tmp_path: Path, random: np.random.Generator) -> None:
    """They are those of PCA, the first component last."""
    rows = random.normal(size=(50, 4)) * [1, 5, 2, 9] + 3
    model = PCA(2).fit(rows)
    arrays = {"mean": model.mean_, "s": model.singular_values_[::-1], "v": model.components_[::-1].T}
    write_model(tmp_path, "pca", {"feature_dim": 4, "num_components": 2}, **arrays)
    found = ask(pca.make_scorer, tmp_path, rows)["projection"]
    assert found == pytest.approx(model.transform(rows)[:, ::-1])


@pytest.mark.parametrize("samples", [1, 2, 3, 64, 256])
def test_forests(tmp_path: Path, random: np.random.Generator, samples: int) -> None:
    """Scores are those of IsolationForest, for rows beyond its own as well."""
    rows = random.normal(size=(300, 3)).astype(np.float32)
    forest = IsolationForest(n_estimators=20, max_samples=samples, random_state=0).fit(rows)
    given = {"feature_dim": 3, "num_trees": 20, "samples": samples}
    write_model(tmp_path, "random-cut-forest", given, **_flatten(forest))
    asked = np.vstack([rows, 4 * random.normal(size=(50, 3)), [[1e30, -1e30, 0]], [[1e300, 0, 0]]])
    found = ask(random_cut_forest.make_scorer, tmp_path, asked)["score"]
    assert found[:-1] == pytest.approx(-forest.score_samples(asked[:-1].astype(np.float32)))
    assert np.isfinite(found).all()
