"""Environment variables: declared in tables, read with types, all faults reported at once.

A table of `Variable` is the one source of what a command reads: its values, its error messages
and the documentation are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlberth._typing import TYPE_CHECKING, Generic, TypeVar, typing
from mlberth.errors import ContractError, Fault
from mlberth.masking import masked

if TYPE_CHECKING:
    from typing import overload

T = TypeVar("T")
Number = TypeVar("Number", int, float)

LOG_LEVELS = {"CRITICAL": 50, "FATAL": 50, "ERROR": 40, "WARNING": 30, "WARN": 30, "INFO": 20, "DEBUG": 10}
SWITCH = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


class Kind(Generic[T]):
    """How a value is parsed, and the words for what is accepted.

    `parse` takes the text without surrounding white space; it raises ValueError when that does not fit.
    """

    def __init__(self, parse: Callable[[str], T], expected: str) -> None:
        self.parse = parse
        self.expected = expected


class Computed(Generic[T]):
    """A default that is worked out when it is needed, such as the number of CPUs."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self.compute = compute


class Variable(Generic[T]):
    """One variable of the public surface.

    `help` is one sentence for the documentation; `aliases` are other names, read in this order when
    `name` is absent; `default_text` are the words for a default that is worked out later, such as
    "usable CPUs". A variable that is set to nothing counts as absent, unless `takes_empty` says that
    this means something.
    """

    def __init__(
        self,
        name: str,
        kind: Kind[T],
        default: T | Computed[T],
        help: str,  # noqa: A002 - as argparse calls it
        *,
        aliases: tuple[str, ...] = (),
        default_text: str = "",
        takes_empty: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.help = help
        self.aliases = aliases
        self.default_text = default_text
        self.takes_empty = takes_empty

    if TYPE_CHECKING:  # `Variables.timeout` is the variable, `settings.timeout` its value (see Declared)

        @overload
        def __get__(self, instance: None, owner: object) -> Variable[T]: ...
        @overload
        def __get__(self, instance: object, owner: object) -> T: ...
        def __get__(self, instance: object, owner: object) -> Variable[T] | T: ...

    def worked_out_default(self) -> T:
        """Return the default, worked out now if it is Computed."""
        return self.default.compute() if isinstance(self.default, Computed) else self.default


class Declared:
    """Variables declared as attributes of a class, once each; an instance has their values instead.

    They are read out of a mapping all at once, and cannot be changed afterwards.
    """

    def __init__(self, reader: Reader) -> None:
        # An instance's own attributes hide those of its class.
        self.__dict__.update({field: reader.get(variable) for field, variable in self.declared().items()})

    def __setattr__(self, field: str, value: object) -> None:
        raise AttributeError(f"{field} was read from a variable, and stays")

    @classmethod
    def declared(cls) -> dict[str, Variable[typing.Any]]:
        """Return the variables by the names of their attributes, in the order of their declaration."""
        return {
            field: variable
            for owner in reversed(cls.__mro__)
            for field, variable in vars(owner).items()
            if isinstance(variable, Variable)
        }


def whole_number(minimum: int, maximum: int) -> Kind[int]:
    """Accept a whole number in a closed range."""
    return Kind(_in_range(whole, minimum, maximum), f"a whole number from {minimum} to {maximum}")


def seconds(minimum: float, maximum: float) -> Kind[float]:
    """Accept a duration in seconds, without a unit, in a closed range."""
    expected = f"seconds, a number from {minimum:g} to {maximum:g} without a unit"
    return Kind(_in_range(lambda text: float(_plain(text)), minimum, maximum), expected)


def one_of(*choices: str) -> Kind[str]:
    """Accept one of a few words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return Kind(parse, "one of " + ", ".join(choices))


def optional(kind: Kind[T]) -> Kind[T | None]:
    """Accept what `kind` does; the type of a variable whose default is None."""
    return Kind(kind.parse, kind.expected)


def whole(text: str) -> int:
    """Return a whole number written in ASCII digits; raises ValueError, as for one too long to read."""
    return int(_plain(text))


def _plain(text: str) -> str:
    """Refuse what Python alone takes for part of a number: other scripts' digits, and `1_000`."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return text


def _in_range(convert: Callable[[str], Number], minimum: float, maximum: float) -> Callable[[str], Number]:
    def parse(text: str) -> Number:
        number = convert(text)
        if not minimum <= number <= maximum:  # not so for nan either
            raise ValueError(text)
        return number

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in SWITCH:
        raise ValueError(text)
    return SWITCH[text.lower()]


def _log_level(text: str) -> int:
    if text.upper() in LOG_LEVELS:
        return LOG_LEVELS[text.upper()]
    # sagemaker's SDKs pass the number, some of them in quotation marks.
    number = whole(text.strip('"'))
    if not 0 <= number <= 100:
        raise ValueError(text)
    return number


TEXT: Kind[str] = Kind(str, "text")
OPTIONAL_TEXT: Kind[str | None] = Kind(str, "text")
BOOLEAN: Kind[bool] = Kind(_switch, "true or false")
LOG_LEVEL: Kind[int] = Kind(
    _log_level, "a level by name (DEBUG, INFO, WARNING, ERROR, CRITICAL) or number (0 to 100)"
)


def is_set(environ: Mapping[str, str], name: str, *, takes_empty: bool = False) -> bool:
    """Return whether a variable is there and says something."""
    return name in environ and (takes_empty or bool(environ[name].strip()))


def overlaid(defaults: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with values for the variables that are absent or empty in it."""
    return {**environ, **{name: text for name, text in defaults.items() if not is_set(environ, name)}}


class Reader:
    """Reads declared variables out of a mapping and keeps every fault for `check`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._faults: list[Fault] = []

    def get(self, variable: Variable[T]) -> T:
        """Return the typed value, or the default if the variable is absent or faulty."""
        name = self.source(variable)
        return self._parse(variable, name, self._environ[name]) if name else variable.worked_out_default()

    def source(self, variable: Variable[T]) -> str | None:
        """Return the name that a variable is set by, its own or an alias; None if its default holds."""
        # Compose files, charts and CI write `NAME=` for what nobody has set.
        names = (variable.name, *variable.aliases)
        return next(
            (name for name in names if is_set(self._environ, name, takes_empty=variable.takes_empty)), None
        )

    def add(self, fault: Fault) -> None:
        """Keep a fault that concerns several variables."""
        self._faults.append(fault)

    def check(self) -> None:
        """Raise ContractError with every fault kept so far."""
        if self._faults:
            raise ContractError(*self._faults)

    def _parse(self, variable: Variable[T], name: str, value: str) -> T:
        try:
            return variable.kind.parse(value.strip())
        except ValueError:
            default = variable.default_text or f"the default ({variable.default})"
            action = f"Correct it, or unset it for {default}."
            self._faults.append(Fault(name, repr(masked(name, value)), variable.kind.expected, action))
            return variable.worked_out_default()
