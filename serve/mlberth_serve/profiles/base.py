"""The protocol of a profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlberth_serve.handler.predictor import Predictor
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.signatures import Function


@dataclass(frozen=True)
class Profile:
    """The functions that stand in for those a handler lacks; None leaves the framework's or a codec's."""

    input_fn: Function | None = None
    predict_fn: Function | None = None
    output_fn: Function | None = None
    without_code: Callable[[Settings], Predictor] | None = None
    """What answers if there is no handler at all, in the place of handler and model."""
