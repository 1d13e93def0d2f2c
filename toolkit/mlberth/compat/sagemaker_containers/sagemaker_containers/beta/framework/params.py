"""Names of hyperparameters and variables."""

from mlberth.compat.training.params import *  # noqa: F403
