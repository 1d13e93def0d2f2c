"""Names of what starts a program."""

from sagemaker_containers.beta.framework.runner import *  # noqa: F403
