"""A compatibility package for sagemaker-xgboost-container's second one where that is not installed."""
