"""Where sagemaker-containers has its public parts."""
