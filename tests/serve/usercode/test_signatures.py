"""How a user's function gets its context."""

# ruff: noqa: ARG005 - signatures are what is tested

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from mlberth_serve.usercode.signatures import BindingError, bind


def passthrough(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the usual way, keeping the signature."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def careless(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate without keeping the signature."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def plain(data, model):  # type: ignore[no-untyped-def]
    return (data, model)


def with_context(data, model, context):  # type: ignore[no-untyped-def]
    return (data, model, context)


def with_default(data, model, context=None):  # type: ignore[no-untyped-def]
    return (data, model, context)


def keyword_only(data, model, *, context):  # type: ignore[no-untyped-def]
    return (data, model, context)


def positional_only(data, model, context, /):  # type: ignore[no-untyped-def]
    return (data, model, context)


def other_name(data, model, ctx):  # type: ignore[no-untyped-def]
    return (data, model, ctx)


def other_default(data, model, threshold=0.5):  # type: ignore[no-untyped-def]
    return (data, model, threshold)


def star(*args):  # type: ignore[no-untyped-def]
    return args


def stars(data, model, *args, **kwargs):  # type: ignore[no-untyped-def]
    return (data, model, *args, *kwargs)


def star_and_context(*args, context):  # type: ignore[no-untyped-def]
    return (*args, context)


class Predictor:
    """A callable object, and a bound method."""

    def __call__(self, data, model, context):  # type: ignore[no-untyped-def]
        """Return what was given."""
        return (data, model, context)

    def method(self, data, model):  # type: ignore[no-untyped-def]
        """Return what was given."""
        return (data, model)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (plain, ("d", "m")),
        (with_context, ("d", "m", "c")),
        (with_default, ("d", "m", "c")),
        (keyword_only, ("d", "m", "c")),
        (positional_only, ("d", "m", "c")),
        (other_name, ("d", "m", "c")),
        (other_default, ("d", "m", 0.5)),
        (star, ("d", "m")),
        (stars, ("d", "m")),
        (star_and_context, ("d", "m", "c")),
        (passthrough(plain), ("d", "m")),
        (passthrough(with_context), ("d", "m", "c")),
        (careless(plain), ("d", "m")),
        (functools.partial(other_default, threshold=0.9), ("d", "m", 0.9)),
        (
            functools.partial(lambda bias, data, model, context: (bias, data, model, context), 1),
            (1, "d", "m", "c"),
        ),
        (Predictor(), ("d", "m", "c")),
        (Predictor().method, ("d", "m")),
        (max, "m"),
    ],
)
def test_context_is_given_to_functions_that_take_it(function: object, expected: object) -> None:
    """A function is called with its own arguments, and the context where its signature has a place."""
    assert bind("predict_fn", function)("d", "m", "c") == expected


async def asynchronous(data, model):  # type: ignore[no-untyped-def]
    return data


@pytest.mark.parametrize(
    "function",
    [
        lambda: None,
        lambda data: data,
        lambda data, model, context, more: data,
        lambda context, data: data,
        lambda data, model, *, other: data,
        asynchronous,
        None,
        "predict",
    ],
)
def test_wrong_signature_is_one_clear_error(function: object) -> None:
    """A function that the contract cannot call is refused with the signature that is expected."""
    with pytest.raises(BindingError) as caught:
        bind("predict_fn", function)
    assert caught.value.expected == "predict_fn(data, model[, context])"
