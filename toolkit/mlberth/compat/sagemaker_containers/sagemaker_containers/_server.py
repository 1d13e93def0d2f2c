"""The server."""

from sagemaker_containers.beta.framework.server import *  # noqa: F403
