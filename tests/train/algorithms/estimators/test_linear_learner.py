"""linear-learner: the models of jobs against scikit-learn's own, solved to the end."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression, QuantileRegressor
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tests.train.algorithms.jobs import RECORDIO, Jobs, Result, labelled

from mlberth.channels import write_example, write_records
from mlberth.channels.examples import to_tensor
from mlberth.errors import ContractError

BINARY: dict[str, Any] = {"predictor_type": "binary_classifier"}
REGRESSOR: dict[str, Any] = {"predictor_type": "regressor"}


def split(load: Any) -> list[Any]:
    """Return train and test features, train and test labels."""
    features, labels = load(return_X_y=True)
    parts: list[Any] = train_test_split(features.astype(np.float32), labels, random_state=0)
    return parts


CELLS, MORE_CELLS, BENIGN, MORE_BENIGN = split(load_breast_cancer)
PATIENTS, MORE_PATIENTS, PROGRESS, MORE_PROGRESS = split(load_diabetes)


def decide(result: Result, features: Any) -> Any:
    """Return what the model of a job says of rows."""
    return features @ result.arrays["weights"].T + result.arrays["bias"]


def test_binary_classifier(jobs: Jobs) -> None:
    """It is as good as LogisticRegression; the metrics are those of the model that is left."""
    jobs.channel("train", labelled(CELLS, BENIGN))
    jobs.channel("validation", (MORE_CELLS, MORE_BENIGN), RECORDIO)
    result = jobs.train("linear-learner", feature_dim=30, mini_batch_size=100, **BINARY)
    expected = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(CELLS, BENIGN)
    scores = 1 / (1 + np.exp(-decide(result, MORE_CELLS)[:, 0]))
    said = scores >= result.description["threshold"]
    assert result.metric("binary_classification_accuracy", "validation") == np.mean(said == MORE_BENIGN)
    assert np.mean(said == MORE_BENIGN) >= expected.score(MORE_CELLS, MORE_BENIGN) - 0.01
    name = "binary_classification_cross_entropy_objective"
    assert result.metric(name, "validation") == pytest.approx(log_loss(MORE_BENIGN, scores))
    assert result.metric(name, "validation") < 1.1 * log_loss(MORE_BENIGN, expected.predict_proba(MORE_CELLS))
    losses = result.epochs(name, "validation")
    assert losses[-1] < losses[0]
    assert result.metric("roc_auc_score", "validation") > 0.98


def test_multiclass_classifier(jobs: Jobs) -> None:
    """Softmax ends where LogisticRegression does; a class without rows is never predicted."""
    features, more, kinds, more_kinds = split(load_iris)
    jobs.channel("train", labelled(features, kinds)).channel("test", labelled(more, more_kinds))
    given = {"predictor_type": "multiclass_classifier", "wd": 0.01, "accuracy_top_k": 2}
    result = jobs.train("linear-learner", num_classes=4, **given)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (0.01 * len(features)), max_iter=1000))
    expected = scaled.fit(features, kinds)
    decision = decide(result, more)
    assert (decision[:, 3] == -np.inf).all()
    each = np.exp(decision - decision.max(axis=1, keepdims=True))
    assert each[:, :3] / each.sum(axis=1, keepdims=True) == pytest.approx(
        expected.predict_proba(more), abs=0.01
    )
    assert result.metric("multiclass_accuracy", "test") == expected.score(more, more_kinds)
    assert result.metric("multiclass_top_k_accuracy_2", "test") == 1.0
    assert 0.9 < result.metric("dcg", "test") <= 1.0


def test_softmax_with_l1(jobs: Jobs) -> None:
    """L1 leaves out features, of two classes that there are as well."""
    features, _, kinds, _ = split(load_iris)
    jobs.channel("train", labelled(features[kinds < 2], kinds[kinds < 2]))
    given = {"predictor_type": "multiclass_classifier", "num_classes": 3, "l1": 0.1, "wd": 0}
    result = jobs.train("linear-learner", **given)
    assert result.metric("multiclass_accuracy") == 1.0
    assert (result.arrays["weights"] == 0).sum() > 8


def test_weights_of_classes(jobs: Jobs) -> None:
    """A weight for label 1 moves scores up, and `balanced` is between; recall grows with it."""
    jobs.channel("train", labelled(PATIENTS, PROGRESS > 200))
    given = {**BINARY, "binary_classifier_model_selection_criteria": "loss_function"}
    light, balanced, heavy = (
        jobs.train("linear-learner", positive_example_weight_mult=weight, **given).metric("recall")
        for weight in (0.2, "balanced", 100)
    )
    assert light < balanced < heavy


@pytest.mark.parametrize(
    ("loss", "expected", "tolerance"),
    [
        ("squared_loss", LinearRegression(), 1.02),
        ("absolute_loss", QuantileRegressor(quantile=0.5, alpha=0), 1.03),
        ("eps_insensitive_absolute_loss", QuantileRegressor(quantile=0.5, alpha=0), 1.03),
        ("eps_insensitive_squared_loss", LinearRegression(), 1.02),
        ("huber_loss", HuberRegressor(alpha=0, max_iter=1000), 1.02),
        ("quantile_loss", QuantileRegressor(quantile=0.8, alpha=0), 1.001),
    ],
)
def test_regressor(jobs: Jobs, loss: str, expected: Any, tolerance: float) -> None:
    """Each loss ends close to what scikit-learn solves exactly, in the units of the label."""
    jobs.channel("train", labelled(PATIENTS, PROGRESS))
    jobs.channel("test", labelled(MORE_PATIENTS, MORE_PROGRESS))
    result = jobs.train("linear-learner", loss=loss, quantile=0.8, learning_rate="auto", **REGRESSOR)
    predicted = expected.fit(PATIENTS, PROGRESS).predict(PATIENTS)
    error, best = PROGRESS - decide(result, PATIENTS)[:, 0], PROGRESS - predicted
    if loss == "quantile_loss":
        sizes = [np.maximum(0.8 * one, -0.2 * one).mean() for one in (error, best)]
    elif "absolute" in loss:
        sizes = [np.abs(one).mean() for one in (error, best)]
    else:
        sizes = [(one**2).mean() for one in (error, best)]
    assert sizes[0] < tolerance * sizes[1]
    assert result.metric("mse") == pytest.approx((error**2).mean())
    more = decide(result, MORE_PATIENTS)[:, 0]
    assert result.metric("mse", "test") == pytest.approx(mean_squared_error(MORE_PROGRESS, more))
    assert result.metric("absolute_loss", "test") == pytest.approx(np.abs(MORE_PROGRESS - more).mean())


def test_hinge_loss(jobs: Jobs) -> None:
    """Scores are margins, as good as those of LinearSVC; twice the margin is twice the weights."""
    jobs.channel("train", labelled(CELLS, BENIGN))
    given = {**BINARY, "loss": "hinge_loss", "wd": 0.001, "binary_classifier_model_selection_criteria": "f1"}
    result = jobs.train("linear-learner", **given)
    expected = make_pipeline(StandardScaler(), LinearSVC(loss="hinge", dual=True, C=1 / (0.001 * len(CELLS))))
    expected.set_params(linearsvc__max_iter=100_000).fit(CELLS, BENIGN)
    assert result.metric("binary_classification_accuracy") >= expected.score(CELLS, BENIGN) - 0.01
    wider = jobs.train("linear-learner", **{**given, "margin": 2, "wd": 0.0005})
    assert wider.arrays["weights"] == pytest.approx(2 * result.arrays["weights"])


@pytest.mark.parametrize("criterion", ["precision_at_target_recall", "recall_at_target_precision"])
def test_targets(jobs: Jobs, criterion: str) -> None:
    """The threshold holds the target on the rows that it is chosen on."""
    jobs.channel("train", labelled(CELLS, BENIGN))
    given = {"binary_classifier_model_selection_criteria": criterion, "target_recall": 0.99}
    result = jobs.train("linear-learner", target_precision=0.999, epochs=3, **BINARY, **given)
    held, target = ("recall", 0.99) if "target_recall" in criterion else ("precision", 0.999)
    assert result.metric(held) >= target


def test_without_bias_and_normalization(jobs: Jobs) -> None:
    """Features as they are, and no intercept: the model is a product alone."""
    jobs.channel("train", labelled(PATIENTS * 20, PROGRESS / 100))
    off = dict.fromkeys(("use_bias", "normalize_data", "normalize_label"), "false")
    result = jobs.train("linear-learner", epochs=50, **off, **REGRESSOR)
    assert result.arrays["bias"] == [0.0]
    expected = LinearRegression(fit_intercept=False).fit(PATIENTS * 20, PROGRESS / 100)
    assert decide(result, PATIENTS)[:, 0] == pytest.approx(expected.predict(PATIENTS), abs=0.1)


@pytest.mark.parametrize(("width", "epochs", "share"), [(20, 60, 0.001), (225_000, 15, 0.8)])
def test_sparse_rows(jobs: Jobs, width: int, epochs: int, share: float) -> None:
    """Few cells are made dense, and the model is found; rows with many stay sparse, and are learnt from."""
    matrix = sparse.random(150, width, 0.3 if width < 100 else 1e-4, format="csr", random_state=0)
    matrix = sparse.hstack([matrix[:, :-10], np.random.default_rng(0).random((150, 10))], format="csr")
    weights = np.append(np.zeros(width - 10), np.arange(10))
    labels = matrix @ weights + 7
    file = io.BytesIO()
    write_records(
        file,
        (
            write_example(
                {"values": to_tensor(row.data, row.indices.tolist(), width)},
                labels={"values": to_tensor([float(label)])},
            )
            for row, label in zip(matrix, labels, strict=True)
        ),
    )
    jobs.channel("train", file.getvalue(), RECORDIO)
    result = jobs.train("linear-learner", feature_dim=width, epochs=epochs, wd=0, num_models=1, **REGRESSOR)
    error = matrix @ result.arrays["weights"][0] + result.arrays["bias"] - labels
    assert result.metric("mse") == pytest.approx((error**2).mean(), rel=1e-4)
    assert result.metric("mse") < share * labels.var()


def test_models_side_by_side(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """The best of num_models is left and named; under a tuner there is one."""
    jobs.channel("train", labelled(PATIENTS, PROGRESS))
    jobs.channel("validation", labelled(MORE_PATIENTS, MORE_PROGRESS))
    with caplog.at_level("INFO"):
        jobs.train("linear-learner", num_models=5, epochs=3, **REGRESSOR)
    assert "of 5 is the best: wd=" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        jobs.train(
            "linear-learner", epochs=3, _tuning_objective_metric="validation:mse", num_models=5, **REGRESSOR
        )
    assert "is the best" not in caplog.text


def test_it_stops_early(jobs: Jobs) -> None:
    """Without progress for early_stopping_patience epochs, the training ends."""
    jobs.channel("train", labelled(PATIENTS, PROGRESS))
    given = {"early_stopping_patience": 2, "early_stopping_tolerance": 0.5, "epochs": 20}
    assert len(jobs.train("linear-learner", **given, **REGRESSOR).epochs("mse_objective")) == 3


def test_numbers_that_run_away(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """A learning rate that is far too large is an error that says what to do; one too large a warning."""
    jobs.channel("train", labelled(PATIENTS * 1e9, PROGRESS))
    off = {"normalize_data": "false", "unbias_data": "false"}
    with pytest.raises(ContractError, match=r"numbers that run away.*Lower learning_rate"):
        jobs.train("linear-learner", learning_rate=1e300, **off, **REGRESSOR)
    with caplog.at_level("WARNING"):
        jobs.train("linear-learner", learning_rate=1e3, epochs=1, **off, **REGRESSOR)
    assert "the model is worse than none" in caplog.text


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        (BENIGN + 1, BINARY, "label of row 1: found 2; expected a whole number from 0 to 1"),
        (BENIGN / 2, BINARY, "found 0.5; expected a whole number from 0 to 1"),
        (BENIGN * 0, BINARY, "found nothing but the label 0; expected rows of two labels"),
        (BENIGN, {"predictor_type": "multiclass_classifier"}, "num_classes: found nothing"),
        (BENIGN, {**BINARY, "loss": "squared_loss"}, "loss: found squared_loss; expected auto or logistic"),
        (BENIGN, {}, "predictor_type: found nothing; expected one of binary_classifier"),
        (BENIGN, {**BINARY, "target_recall": 1}, r"target_recall: found 1; expected a number in \(0, 1\)"),
        (BENIGN, {**BINARY, "epochs": "many"}, "epochs: found 'many'; expected a whole number"),
    ],
)
def test_what_does_not_fit(jobs: Jobs, labels: Any, given: dict[str, Any], message: str) -> None:
    """Labels and hyperparameters that do not fit are named with what was expected."""
    jobs.channel("train", labelled(CELLS, labels))
    with pytest.raises(ContractError, match=message):
        jobs.train("linear-learner", **given)


def test_other_widths(jobs: Jobs) -> None:
    """All channels have as many features."""
    jobs.channel("train", labelled(CELLS, BENIGN)).channel("test", labelled(CELLS[:, :9], BENIGN))
    with pytest.raises(ContractError, match="the channel test: found rows of 9 features; expected 30"):
        jobs.train("linear-learner", **BINARY)
