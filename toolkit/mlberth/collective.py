"""The collective of XGBoost, as the launcher `xgboost` of `train` has started it.

with xgboost.collective.CommunicatorContext(**mlberth.collective.xgboost_arguments()):
    booster = xgboost.train(…)
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def xgboost_arguments(environ: Mapping[str, str] | None = None) -> dict[str, str | int]:
    """Return the arguments of `xgboost.collective.CommunicatorContext` for this rank.

    XGBoost 3 reads no variables itself. Raises KeyError if the program was not started by that launcher.
    """
    found = os.environ if environ is None else environ
    return {
        "dmlc_tracker_uri": found["DMLC_TRACKER_URI"],
        "dmlc_tracker_port": int(found["DMLC_TRACKER_PORT"]),
        "dmlc_task_id": found["DMLC_TASK_ID"],
    }
