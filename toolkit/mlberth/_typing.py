"""The names of `typing` for modules that every start of a command loads.

A type checker sees those of `typing`. At run time they do no more than we use: `typing` itself, and the
compiling of annotations that its NamedTuple starts with, take a seventh of the time that a job waits for us.
"""

from __future__ import annotations

# Type checkers take this name for true, wherever it comes from.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, Generic, NamedTuple, NoReturn, TypeGuard, TypeVar
else:
    from collections import namedtuple

    Any = NoReturn = TypeGuard = object  # for annotations, which nobody evaluates

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

    class TypeVar(str):
        """What stands for a type in the parameters of a Generic."""

        def __new__(cls, name, *_):
            """Keep the name alone."""
            return super().__new__(cls, name)


__all__ = ["TYPE_CHECKING", "Any", "Generic", "NamedTuple", "NoReturn", "TypeGuard", "TypeVar"]
