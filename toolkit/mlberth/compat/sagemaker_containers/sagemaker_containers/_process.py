"""Processes of the user's program."""

from sagemaker_containers.beta.framework.process import *  # noqa: F403
