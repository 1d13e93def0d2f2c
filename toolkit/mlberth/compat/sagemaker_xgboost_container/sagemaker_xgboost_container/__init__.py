"""A compatibility package for sagemaker-xgboost-container where that is not installed."""
