"""The folder in which sagemaker-containers has its public parts."""
