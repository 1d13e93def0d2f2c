"""The response of a handler."""

from sagemaker_containers.beta.framework.worker import *  # noqa: F403
