"""Modules of the user's."""

from sagemaker_containers.beta.framework.modules import *  # noqa: F403
