"""Signatures of the user's functions: each is called with `context` if it wants one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]

SIGNATURES: dict[str, tuple[str, ...]] = {
    "pre_model_fn": ("model_dir",),
    "model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
    "execution_parameters_fn": (),
    "input_fn": ("input_data", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "data", "content_type", "accept"),
    "stream_fn": ("session",),
    "load_adapter_fn": ("name", "src", "model"),
    "unload_adapter_fn": ("name", "adapter", "model"),
}

STREAM_FN = "stream_fn"
MAY_STREAM = frozenset({"predict_fn", "output_fn", "transform_fn"})
"""The functions that may be async generators."""


class BindingError(Exception):
    """A function that cannot be called as the contract calls it; `found` says what it is."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(name, found)
        self.name = name
        self.found = found

    @property
    def expected(self) -> str:
        """The signature that the contract asks for."""
        arguments = ", ".join(SIGNATURES[self.name])
        if self.name == STREAM_FN:
            return f"async def {self.name}({arguments}[, context])"
        return f"{self.name}({arguments}[, context])" if arguments else f"{self.name}([context])"


# What a function takes is found once, when it is loaded:
# - a parameter named `context` is given by name (by position, if the signature says positional only);
# - otherwise one argument more than the function's own, without a default, is the context;
# - otherwise there is none. `*args` and `**kwargs` alone get none: they are most often a decorator's around
#   a function that does not expect one. (`functools.wraps` shows the real signature.)
def bind(name: str, function: object) -> Function:
    """Return `function` as one that always takes the context last; raises BindingError."""
    if not callable(function):
        raise BindingError(name, f"a {type(function).__name__}")
    if name == STREAM_FN and not inspect.iscoroutinefunction(function):
        raise BindingError(name, "no async function")
    streams = name in MAY_STREAM and inspect.isasyncgenfunction(function)
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if is_async and not streams and name != STREAM_FN:
        raise BindingError(name, "an async function")
    try:
        signature = inspect.signature(function)
    except ValueError:  # some built-in functions have none
        return _without_context(function)
    arguments = SIGNATURES[name]
    parameter = signature.parameters.get("context")
    by_name = parameter and parameter.kind is not parameter.POSITIONAL_ONLY
    if by_name and _takes(signature, *arguments, context=None):
        return _with_named_context(function)
    if not parameter and _takes(signature, *arguments):
        return _without_context(function)
    if not by_name and _takes(signature, *arguments, None):
        return function
    raise BindingError(name, f"{name}{signature}")


def _takes(signature: inspect.Signature, *arguments: object, **named: object) -> bool:
    try:
        signature.bind(*arguments, **named)
    except TypeError:
        return False
    return True


def _without_context(function: Function) -> Function:
    return lambda *arguments: function(*arguments[:-1])


def _with_named_context(function: Function) -> Function:
    return lambda *arguments: function(*arguments[:-1], context=arguments[-1])
