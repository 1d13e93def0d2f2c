"""A compatibility package for sagemaker-inference-toolkit if that is not installed."""
