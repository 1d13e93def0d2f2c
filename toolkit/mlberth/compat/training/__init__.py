"""Names that sagemaker-training-toolkit and sagemaker-containers have in common."""
