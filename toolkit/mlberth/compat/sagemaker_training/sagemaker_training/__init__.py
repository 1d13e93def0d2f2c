"""Stands in for sagemaker-training-toolkit where that is not installed."""
