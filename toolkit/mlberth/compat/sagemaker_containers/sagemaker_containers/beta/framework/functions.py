"""Functions of the user's, called with what they take."""

from mlberth.compat.training.functions import *  # noqa: F403
