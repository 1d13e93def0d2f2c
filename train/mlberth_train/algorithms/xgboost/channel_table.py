"""The channels of XGBoost."""

from __future__ import annotations

from mlberth_train.algorithms.channels import CSV, LIBSVM, MODEL, PARQUET, RECORDIO, ChannelRule

_FORMS = (LIBSVM, CSV, PARQUET, RECORDIO)
TRAIN = ChannelRule("train", required=True, forms=_FORMS, help="The rows to learn from, the label first.")
VALIDATION = ChannelRule("validation", forms=_FORMS, help="Rows that each round is evaluated on.")
BEGINNING = ChannelRule(
    "model",
    forms=(MODEL,),
    modes=("File", "FastFile"),
    help="A model that training goes on from: `xgboost-model`, or a `model.tar.gz` with it.",
)
