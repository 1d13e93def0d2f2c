"""Stands in for sagemaker-xgboost-container where that is not installed."""
