"""A compatibility package for sagemaker-training-toolkit where that is not installed."""
