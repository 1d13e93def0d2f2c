"""`typing` for modules that every start of a command loads: imported when an annotation is evaluated.

`typing` and its NamedTuple, which compiles each annotation, take a tenth of the time that a job waits for
us. So annotations name `typing.Any` of a module imported on demand; the bases of classes do what we use.
"""

from __future__ import annotations

# Type checkers take this name for true, wherever it comes from.
TYPE_CHECKING = False

if TYPE_CHECKING:
    import typing
    from typing import Generic, NamedTuple, TypeVar
else:
    from collections import namedtuple

    class _Maker(type):
        """Makes of a class with annotations what its name says: a tuple with these fields."""

        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = namespace.get("__annotations__", {})
            defaults = [namespace.pop(field) for field in fields if field in namespace]
            base = namedtuple(name, fields, defaults=defaults)
            return type(name, (base,), {"__slots__": (), **namespace})

    class NamedTuple(metaclass=_Maker):
        """The base of a class whose instances are tuples with named fields."""

    class Generic:
        """A base that takes parameters, which only a type checker reads."""

        def __class_getitem__(cls, parameters):
            return cls

    class TypeVar(type):
        """A class of this name: it can stand wherever an annotation has a type."""

        def __new__(cls, name, *_):
            """Keep the name alone."""
            return super().__new__(cls, name, (), {})

        def __init__(cls, name, *_):
            """Take the types that it may be, which only a type checker reads."""


class OnDemand:
    """A module that is imported when the first of its names is needed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> typing.Any:
        from importlib import import_module

        return getattr(import_module(self._name), name)


if not TYPE_CHECKING:
    typing = OnDemand("typing")

__all__ = ["TYPE_CHECKING", "Generic", "NamedTuple", "OnDemand", "TypeVar", "typing"]
