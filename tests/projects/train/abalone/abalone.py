"""A program in the shape of the XGBoost container's own sample: it trains on all hosts, and loads its model."""

import argparse
import json
import os

import xgboost as xgb
from sagemaker_containers import entry_point

from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix


def _train(params, dtrain, evals, num_boost_round, model_dir, is_master):
    booster = xgb.train(params, dtrain, num_boost_round, evals=evals)
    if is_master:
        booster.save_model(os.path.join(model_dir, "xgboost-model"))


def model_fn(model_dir):
    booster = xgb.Booster()
    booster.load_model(os.path.join(model_dir, "xgboost-model"))
    return booster


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--num_round", type=int)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    parser.add_argument("--model_dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--sm_hosts", default=os.environ.get("SM_HOSTS"))
    parser.add_argument("--sm_current_host", default=os.environ.get("SM_CURRENT_HOST"))
    args, _ = parser.parse_known_args()
    dtrain, dval = get_dmatrix(args.train, "libsvm"), get_dmatrix(args.validation, "libsvm")
    arguments = {
        "params": {"objective": "reg:squarederror", "nthread": 1},
        "dtrain": dtrain,
        "evals": [(dtrain, "train"), (dval, "validation")],
        "num_boost_round": args.num_round,
        "model_dir": args.model_dir,
    }
    entry_point._wait_hostname_resolution()
    distributed.rabit_run(
        exec_fun=_train,
        args=arguments,
        include_in_training=dtrain is not None,
        hosts=json.loads(args.sm_hosts),
        current_host=args.sm_current_host,
        update_rabit_args=True,
    )
