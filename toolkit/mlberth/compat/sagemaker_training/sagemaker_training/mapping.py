"""Maps as variables and arguments, and parts of maps."""

from mlberth.compat.training.mapping import *  # noqa: F403
