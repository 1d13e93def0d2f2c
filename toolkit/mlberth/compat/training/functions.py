"""Functions of the user's, called with what they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mlberth.compat.training.mapping import split_by_criteria


def matching_args(fn: Callable[..., Any], dictionary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the items that a function has parameters for; all of them if it takes `**kwargs`."""
    specification = inspect.getfullargspec(fn)
    if specification.varkw:
        return dictionary
    return split_by_criteria(dictionary, [*specification.args, *specification.kwonlyargs]).included


def error_wrapper(fn: Callable[..., Any], error_class: type[Exception]) -> Callable[..., Any]:
    """Return the function with whatever it raises wrapped in another error."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            raise error_class(error) from error

    return wrapper
