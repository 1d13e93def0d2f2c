"""The hyperparameters of linear-learner, and what is wrong between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlberth.errors import Fault
from mlberth_train.algorithms.estimators.data import boolean, unused
from mlberth_train.algorithms.hyperparameters import CATEGORICAL, CONTINUOUS, INTEGER, TEXT, Hyperparameter

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
LOSSES = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss",),
    REGRESSOR: (
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
"""The losses of each predictor_type, the first for `auto`."""
CRITERION = "binary_classifier_model_selection_criteria"
CRITERIA = (
    "accuracy",
    "f_beta",
    "f1",
    "precision_at_target_recall",
    "recall_at_target_precision",
    "loss_function",
    "cross_entropy_loss",
)
OBJECTIVE = "_tuning_objective_metric"

_AUTO = ("auto",)
_STEPS = "scikit-learn's SGD takes a step for each row, with its own schedule."

HYPERPARAMETERS = (
    Hyperparameter(
        "predictor_type",
        CATEGORICAL,
        choices=(BINARY, MULTICLASS, REGRESSOR),
        required=True,
        help="What is predicted: 0 or 1, a class from 0 to num_classes - 1, or a number.",
    ),
    Hyperparameter(
        "feature_dim", INTEGER, "auto", range="[1, inf)", choices=_AUTO, help="The number of features."
    ),
    Hyperparameter(
        "num_classes",
        INTEGER,
        range="[3, 1000000]",
        help="The number of classes; required for multiclass_classifier, and not looked at for others.",
    ),
    Hyperparameter(
        "loss",
        CATEGORICAL,
        "auto",
        choices=("auto", *(loss for losses in LOSSES.values() for loss in losses)),
        help="For binary_classifier logistic (auto) or hinge_loss; for multiclass_classifier softmax_loss, "
        "of which an epoch is ten iterations of L-BFGS (SAGA with l1); for regressor squared_loss (auto) "
        "or one of the others.",
    ),
    Hyperparameter(
        "epochs", INTEGER, 15, range="[1, inf)", help="How often all rows are gone through, at most."
    ),
    Hyperparameter(
        "learning_rate",
        CONTINUOUS,
        "auto",
        range="(0, inf)",
        choices=_AUTO,
        help="The step for each row. auto: one that fits the rows, and becomes smaller with their number.",
    ),
    Hyperparameter(
        "wd",
        CONTINUOUS,
        "auto",
        range="[0, inf)",
        choices=_AUTO,
        help="L2 regularization of normalized weights. auto: 0.0001.",
    ),
    Hyperparameter(
        "l1", CONTINUOUS, "auto", range="[0, inf)", choices=_AUTO, help="L1 regularization. auto: 0."
    ),
    boolean("use_bias", "true", "Whether the model has an intercept."),
    boolean("normalize_data", "true", "Whether features are divided by their standard deviation.", "auto"),
    boolean("unbias_data", "auto", "Whether the mean is taken off features. auto: as use_bias.", "auto"),
    boolean(
        "normalize_label", "auto", "Whether labels of a regressor are divided by their deviation.", "auto"
    ),
    boolean("unbias_label", "auto", "Whether the mean is taken off labels. auto: as use_bias.", "auto"),
    Hyperparameter(
        "num_point_for_scaler",
        INTEGER,
        10_000,
        range="[1, inf)",
        help="How many rows means and deviations are taken from.",
    ),
    Hyperparameter(
        "positive_example_weight_mult",
        CONTINUOUS,
        1.0,
        range="(0, inf)",
        choices=("balanced", "auto"),
        help="The weight of rows with label 1. balanced: both classes weigh alike. auto: the better one of 1 "
        "and balanced.",
    ),
    boolean("balance_multiclass_weights", "false", "Whether all classes weigh alike."),
    Hyperparameter(
        "num_models",
        INTEGER,
        "auto",
        range="[1, inf)",
        choices=_AUTO,
        help="How many models are trained side by side, the others with wd ten times as large, a tenth, a "
        "hundred times …; the best counts. auto: 3 with a channel validation, else 1; 1 under a tuner.",
    ),
    Hyperparameter(
        "early_stopping_patience",
        INTEGER,
        3,
        range="[1, inf)",
        help="After how many epochs without progress the training ends.",
    ),
    Hyperparameter(
        "early_stopping_tolerance",
        CONTINUOUS,
        0.001,
        range="(0, inf)",
        help="How much less loss is progress.",
    ),
    Hyperparameter(
        CRITERION,
        CATEGORICAL,
        "accuracy",
        choices=CRITERIA,
        help="What decides on the model and its threshold, on validation or else on train.",
    ),
    Hyperparameter("target_recall", CONTINUOUS, 0.8, range="(0, 1)", help="For precision_at_target_recall."),
    Hyperparameter(
        "target_precision", CONTINUOUS, 0.8, range="(0, 1)", help="For recall_at_target_precision."
    ),
    Hyperparameter("f_beta", CONTINUOUS, 1.0, range="(0, inf)", help="The beta of F scores."),
    Hyperparameter(
        "num_calibration_samples",
        INTEGER,
        "auto",
        range="[1, inf)",
        choices=_AUTO,
        help="How many rows the threshold is chosen on. auto: all.",
    ),
    Hyperparameter(
        "accuracy_top_k", INTEGER, 3, range="[1, inf)", help="The k of multiclass_top_k_accuracy."
    ),
    Hyperparameter("margin", CONTINUOUS, 1.0, range="(0, inf)", help="The margin of hinge_loss."),
    Hyperparameter("quantile", CONTINUOUS, 0.5, range="(0, 1)", help="The quantile of quantile_loss."),
    Hyperparameter(
        "loss_insensitivity",
        CONTINUOUS,
        0.01,
        range="(0, inf)",
        help="Up to which error eps_… losses are 0, of the normalized label.",
    ),
    Hyperparameter(
        "huber_delta",
        CONTINUOUS,
        1.0,
        range="(0, inf)",
        help="From which error on huber_loss is linear, of the normalized label.",
    ),
    Hyperparameter(
        OBJECTIVE,
        TEXT,
        help="Set by a tuner: one model is trained, as the platform does, since the tuner chooses.",
    ),
    unused("mini_batch_size", INTEGER, _STEPS, "[1, inf)"),
    unused("optimizer", CATEGORICAL, _STEPS, choices=("auto", "adam", "sgd", "rmsprop")),
    unused("momentum", CONTINUOUS, _STEPS, "[0, 1)", _AUTO),
    unused("beta_1", CONTINUOUS, _STEPS, "[0, 1)", _AUTO),
    unused("beta_2", CONTINUOUS, _STEPS, "[0, 1)", _AUTO),
    unused("bias_lr_mult", CONTINUOUS, _STEPS, "(0, inf)", _AUTO),
    unused(
        "bias_wd_mult",
        CONTINUOUS,
        "the intercept is not regularized (as weights are, if rows are sparse).",
        "[0, inf)",
        _AUTO,
    ),
    unused("use_lr_scheduler", CATEGORICAL, _STEPS, choices=("true", "false", "True", "False")),
    unused("lr_scheduler_step", INTEGER, _STEPS, "[1, inf)", _AUTO),
    unused("lr_scheduler_factor", CONTINUOUS, _STEPS, "(0, 1)", _AUTO),
    unused("lr_scheduler_minimum_lr", CONTINUOUS, _STEPS, "(0, inf)", _AUTO),
    unused("init_method", CATEGORICAL, "weights begin at 0.", choices=("uniform", "normal")),
    unused("init_scale", CONTINUOUS, "weights begin at 0.", "(0, inf)"),
    unused("init_sigma", CONTINUOUS, "weights begin at 0.", "(0, inf)"),
    unused("init_bias", CONTINUOUS, "the intercept begins at 0."),
)


def rules(given: Mapping[str, Any]) -> Iterable[Fault]:
    """Yield what is wrong between hyperparameters."""
    kind, loss = given.get("predictor_type"), given.get("loss", "auto")
    if kind == MULTICLASS and "num_classes" not in given:
        yield Fault(
            "the hyperparameter num_classes", "nothing", f"a whole number, which {MULTICLASS} requires"
        )
    if kind and loss not in ("auto", *LOSSES[kind]):
        yield Fault("the hyperparameter loss", loss, f"auto or {', '.join(LOSSES[kind])}, for a {kind}")


def loss_of(given: Mapping[str, Any]) -> str:
    """Return the loss that is meant."""
    loss: str = given["loss"]
    return LOSSES[given["predictor_type"]][0] if loss == "auto" else loss
