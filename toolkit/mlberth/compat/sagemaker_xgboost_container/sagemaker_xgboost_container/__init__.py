"""A compatibility package for sagemaker-xgboost-container if that is not installed."""
