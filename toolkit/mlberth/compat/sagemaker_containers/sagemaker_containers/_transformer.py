"""The default functions of a handler."""

from sagemaker_containers.beta.framework.transformer import *  # noqa: F403
