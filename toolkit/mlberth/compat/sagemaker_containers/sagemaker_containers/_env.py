"""The training job or the server."""

from sagemaker_containers.beta.framework.env import *  # noqa: F403
