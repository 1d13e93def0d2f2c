"""A limit for a block of a program."""

from mlberth.compat.training.timeout import *  # noqa: F403
