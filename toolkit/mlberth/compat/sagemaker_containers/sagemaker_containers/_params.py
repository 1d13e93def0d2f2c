"""Names of hyperparameters and variables."""

from sagemaker_containers.beta.framework.params import *  # noqa: F403
