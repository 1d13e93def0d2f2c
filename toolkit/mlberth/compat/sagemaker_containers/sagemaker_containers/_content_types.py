"""Media types by name."""

from sagemaker_containers.beta.framework.content_types import *  # noqa: F403
