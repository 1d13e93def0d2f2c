"""Files of a job."""

from sagemaker_containers.beta.framework.files import *  # noqa: F403
