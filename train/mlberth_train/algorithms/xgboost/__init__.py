"""XGBoost without code, as sagemaker-xgboost-container trains it in its algorithm mode.

Runs in the process of the algorithm. `algorithm`, `table` and `rules` are read by `train` too, and import no
library; `callbacks` imports xgboost, and is imported when it trains.
"""
