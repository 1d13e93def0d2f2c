"""Stands in for sagemaker-inference-toolkit where that is not installed."""
