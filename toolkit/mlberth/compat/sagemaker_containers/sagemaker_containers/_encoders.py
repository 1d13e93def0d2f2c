"""Between arrays and bodies."""

from sagemaker_containers.beta.framework.encoders import *  # noqa: F403
