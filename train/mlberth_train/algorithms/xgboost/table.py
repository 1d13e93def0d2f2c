"""The hyperparameters of XGBoost.

Source: sagemaker-xgboost-container's `algorithm_mode/hyperparameter_validation.py` (but for `device`); the
help is XGBoost's own documentation in short. What XGBoost itself has as a default has none here.
"""

from __future__ import annotations

from mlberth_train.algorithms.hyperparameters import (
    CATEGORICAL,
    CONTINUOUS,
    INTEGER,
    LIST,
    NESTED,
    TUPLE,
    Hyperparameter,
)
from mlberth_train.algorithms.xgboost.metric_names import METRICS

_SWITCH = ("true", "false")
_FROM_0, _FROM_1, _SHARE, _PART = "[0, inf)", "[1, inf)", "[0, 1]", "(0, 1]"

OBJECTIVES = (
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "reg:linear",
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:pseudohubererror",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:quantileerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)
UPDATERS = (
    "grow_colmaker",
    "distcol",
    "grow_histmaker",
    "grow_skmaker",
    "grow_quantile_histmaker",
    "sync",
    "refresh",
    "prune",
    "shotgun",
    "coord_descent",
)
WITHOUT_EFFECT = (
    "deterministic_histogram",
    "dsplit",
    "lambda_bias",
    "predictor",
    "prob_buffer_row",
    "single_precision_histogram",
    "sketch_eps",
)
"""What older versions of XGBoost read; it is checked, and not passed on."""
_OLD = "Of older versions of XGBoost; it has no effect."

HYPERPARAMETERS = (
    Hyperparameter("num_round", INTEGER, range=_FROM_1, required=True, help="How many rounds of boosting."),
    Hyperparameter(
        "early_stopping_rounds",
        INTEGER,
        range=_FROM_1,
        help="Stop after so many rounds without a better value of the last of `eval_metric` on the channel "
        "`validation`; the model is that of the best round.",
    ),
    Hyperparameter(
        "eval_metric",
        LIST,
        help=f"What is printed after each round: {', '.join(f'`{name}`' for name in METRICS)}; also "
        "`error@t`, `ndcg@n` and `map@n`. Without it, the metric that goes with the objective.",
    ),
    Hyperparameter(
        "csv_weights",
        INTEGER,
        range="[0, 1]",
        default=0,
        help="1: the second column of csv is the weight of the row.",
    ),
    Hyperparameter(
        "objective",
        CATEGORICAL,
        choices=OBJECTIVES,
        help="What is learned; `reg:squarederror` without it, and `reg:linear` is its old name.",
    ),
    Hyperparameter("num_class", INTEGER, range="[2, inf)", help="Of `multi:…`: how many classes."),
    Hyperparameter("base_score", CONTINUOUS, range=_FROM_0, help="The prediction that boosting begins with."),
    Hyperparameter("booster", CATEGORICAL, choices=("gbtree", "gblinear", "dart"), help="Which booster."),
    Hyperparameter(
        "eta", CONTINUOUS, range=_SHARE, help="How much each round counts.", aliases=("learning_rate",)
    ),
    Hyperparameter(
        "gamma",
        CONTINUOUS,
        range=_FROM_0,
        help="How much a split must reduce the loss.",
        aliases=("min_split_loss",),
    ),
    Hyperparameter("max_depth", INTEGER, range=_FROM_0, help="How deep a tree may be; 0 is without a limit."),
    Hyperparameter(
        "min_child_weight", CONTINUOUS, range=_FROM_0, help="How much weight (hessian) a leaf must have."
    ),
    Hyperparameter(
        "max_delta_step", CONTINUOUS, range=_FROM_0, help="The largest step of a leaf; 0 is without a limit."
    ),
    Hyperparameter("subsample", CONTINUOUS, range=_PART, help="The share of rows for each round."),
    Hyperparameter(
        "sampling_method", CATEGORICAL, choices=("uniform", "gradient_based"), help="How rows are drawn."
    ),
    Hyperparameter("colsample_bytree", CONTINUOUS, range=_PART, help="The share of columns for each tree."),
    Hyperparameter("colsample_bylevel", CONTINUOUS, range=_PART, help="The share of columns for each level."),
    Hyperparameter("colsample_bynode", CONTINUOUS, range=_PART, help="The share of columns for each split."),
    Hyperparameter(
        "lambda", CONTINUOUS, range=_FROM_0, help="L2 regularization of weights.", aliases=("reg_lambda",)
    ),
    Hyperparameter(
        "alpha", CONTINUOUS, range=_FROM_0, help="L1 regularization of weights.", aliases=("reg_alpha",)
    ),
    Hyperparameter(
        "tree_method",
        CATEGORICAL,
        choices=("auto", "exact", "approx", "hist", "gpu_hist"),
        help="How splits are found; `gpu_hist` is `hist` with the device `cuda`.",
    ),
    Hyperparameter("device", CATEGORICAL, choices=("cpu", "cuda"), help="What trains; `cuda` is a GPU."),
    Hyperparameter("scale_pos_weight", CONTINUOUS, range="(0, inf)", help="The weight of the positive rows."),
    Hyperparameter(
        "updater",
        LIST,
        choices=UPDATERS,
        help="Which parts of XGBoost make and change trees, in their order; of `gblinear`, `shotgun` or "
        "`coord_descent`.",
    ),
    Hyperparameter(
        "process_type",
        CATEGORICAL,
        choices=("default", "update"),
        help="`update` makes no trees, but changes those of the model in the channel `model`, with the "
        "updaters `refresh` and `prune`.",
    ),
    Hyperparameter("refresh_leaf", INTEGER, range=_SHARE, help="Of `refresh`: 1 changes leaves too."),
    Hyperparameter(
        "grow_policy", CATEGORICAL, choices=("depthwise", "lossguide"), help="Which node is split next."
    ),
    Hyperparameter(
        "max_leaves", INTEGER, range=_FROM_0, help="How many leaves a tree may have; 0: any number."
    ),
    Hyperparameter("max_bin", INTEGER, range="[2, inf)", help="How many bins a column is put into."),
    Hyperparameter(
        "num_parallel_tree", INTEGER, range=_FROM_1, help="How many trees a round makes: a forest."
    ),
    Hyperparameter(
        "monotone_constraints",
        TUPLE,
        choices=(-1, 0, 1),
        help="For each column, whether predictions may only rise (1) or fall (-1) with it.",
    ),
    Hyperparameter(
        "interaction_constraints",
        NESTED,
        range=_FROM_0,
        help="Groups of columns, counted from 0, of which only those of one group may meet in a branch.",
    ),
    Hyperparameter(
        "sample_type", CATEGORICAL, choices=("uniform", "weighted"), help="Of `dart`: how trees are dropped."
    ),
    Hyperparameter(
        "normalize_type", CATEGORICAL, choices=("tree", "forest"), help="Of `dart`: what a new tree weighs."
    ),
    Hyperparameter(
        "rate_drop", CONTINUOUS, range=_SHARE, help="Of `dart`: the share of trees that is dropped."
    ),
    Hyperparameter("one_drop", INTEGER, range=_SHARE, help="Of `dart`: 1 drops one tree at least."),
    Hyperparameter("skip_drop", CONTINUOUS, range=_SHARE, help="Of `dart`: how often nothing is dropped."),
    Hyperparameter(
        "tweedie_variance_power",
        CONTINUOUS,
        range="(1, 2)",
        help="Of `reg:tweedie`: from Poisson (1) to gamma (2).",
    ),
    Hyperparameter(
        "quantile_alpha", CONTINUOUS, range="(0, 1)", help="Of `reg:quantileerror`: which quantile."
    ),
    Hyperparameter(
        "aft_loss_distribution",
        CATEGORICAL,
        choices=("normal", "logistic", "extreme"),
        help="Of `survival:aft`: how the noise is distributed.",
    ),
    Hyperparameter(
        "aft_loss_distribution_scale",
        CONTINUOUS,
        range="(0, inf)",
        help="Of `survival:aft`: the scale of the noise.",
    ),
    Hyperparameter(
        "seed", INTEGER, range="(-2147483648, 2147483647)", default=0, help="The seed of everything random."
    ),
    Hyperparameter("nthread", INTEGER, range=_FROM_1, help="How many threads; one for each CPU without it."),
    Hyperparameter(
        "verbosity", INTEGER, range="[0, 3]", help="What XGBoost logs: 0 nothing, 1 warnings, 3 all."
    ),
    Hyperparameter(
        "save_model_on_termination",
        CATEGORICAL,
        choices=_SWITCH,
        default="false",
        help="`true`: a job that is stopped saves the model of the rounds that it has done, and succeeds.",
    ),
    Hyperparameter(
        "_kfold",
        INTEGER,
        range="[2, inf)",
        help="Cross-validation: the rows of both channels are divided into so many folds, and as many models "
        "are trained and saved, `xgboost-model-0` and so on, which serve as one.",
    ),
    Hyperparameter(
        "_num_cv_round", INTEGER, range=_FROM_1, default=1, help="Of `_kfold`: how often, each time anew."
    ),
    Hyperparameter(
        "_tuning_objective_metric",
        CATEGORICAL,
        choices=tuple(f"{data}:{name}" for data in ("validation", "train") for name in METRICS),
        help="The metric that a tuner looks at, set by the platform; it is evaluated too.",
    ),
    Hyperparameter("predictor", CATEGORICAL, choices=("auto", "cpu_predictor", "gpu_predictor"), help=_OLD),
    Hyperparameter("sketch_eps", CONTINUOUS, range="(0, 1)", help=_OLD),
    Hyperparameter("dsplit", CATEGORICAL, choices=("row", "col"), help=_OLD),
    Hyperparameter("lambda_bias", CONTINUOUS, range=_SHARE, help=_OLD),
    Hyperparameter("deterministic_histogram", CATEGORICAL, choices=_SWITCH, help=_OLD),
    Hyperparameter("single_precision_histogram", CATEGORICAL, choices=_SWITCH, help=_OLD),
    Hyperparameter("prob_buffer_row", CONTINUOUS, range="(1, inf)", help=_OLD),
    Hyperparameter(
        "use_dask_gpu_training",
        CATEGORICAL,
        choices=_SWITCH,
        default="false",
        help="`true` is refused: a host trains on one GPU at most.",
    ),
)
