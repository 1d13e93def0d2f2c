"""A compatibility package for sagemaker-inference-toolkit where that is not installed."""
