"""Maps as variables and arguments, and parts of maps."""

from sagemaker_containers.beta.framework.mapping import *  # noqa: F403
