"""The protocol of an algorithm's scorer."""

from __future__ import annotations

from collections.abc import Callable

from mlberth_serve.algorithms.answer import Columns
from mlberth_serve.codecs.base import Array

Scorer = Callable[[Array, bool], Columns]
"""From rows of features, float64, to the columns of the answer; True asks for all that there is to say."""
