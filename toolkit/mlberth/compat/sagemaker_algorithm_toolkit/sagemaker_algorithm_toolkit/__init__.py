"""A compatibility package for sagemaker-xgboost-container's second one if that is not installed."""
