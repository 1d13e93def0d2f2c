"""The logger of the toolkit."""

from sagemaker_containers.beta.framework.logging import *  # noqa: F403
