"""Errors of programs, and those that a handler raises."""

from sagemaker_containers.beta.framework.errors import *  # noqa: F403
