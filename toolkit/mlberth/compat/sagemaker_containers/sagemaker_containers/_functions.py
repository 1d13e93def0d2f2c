"""Functions of the user's, called with what they take."""

from sagemaker_containers.beta.framework.functions import *  # noqa: F403
