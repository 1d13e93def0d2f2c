"""A compatibility package for sagemaker-training-toolkit if that is not installed."""
