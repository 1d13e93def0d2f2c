"""Errors by whose fault they are, each with the exit code that says so.

    MlberthError
    ├── ContractError     78  the /opt/ml tree or a variable is not what the contract asks for
    ├── DependencyError   69  what the user asked to install cannot be installed
    ├── ModelLoadError    65  the model, or the code that loads it, cannot be loaded
    ├── PortInUseError    98  somebody else listens on the port
    └── PlatformError     70  ours, or the machine's

The user's own program has no class here: its exit code passes through as it is.
The numbers are those of BSD's sysexits.h, and 98 is Linux's EADDRINUSE.
"""

from __future__ import annotations

from mlberth._typing import NamedTuple


class Fault(NamedTuple):
    """One thing that is wrong, in the four parts that a reader needs to mend it."""

    where: str
    """The variable, file or field."""
    found: str
    """What stands there, or what happened, already masked if it could be a secret."""
    expected: str
    """What should stand there; "" if what happened says all."""
    action: str = ""
    """What to do, if `expected` does not already say it."""

    def __str__(self) -> str:
        if self.expected:
            text = f"{self.where}: found {self.found}; expected {self.expected}."
        else:
            text = f"{self.where}: {self.found}"
            text += "" if text.endswith((".", "!", "?")) else "."
        return f"{text} {self.action}" if self.action else text


class MlberthError(Exception):
    """An error that ends a command with a message for its user and no traceback."""

    exit_code = 70

    def __init__(self, *faults: Fault) -> None:
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class ContractError(MlberthError):
    """The /opt/ml tree or the environment is not what the contract asks for."""

    exit_code = 78


class DependencyError(MlberthError):
    """What the user asked to install cannot be installed."""

    exit_code = 69


class ModelLoadError(MlberthError):
    """The model, or the code that loads it, cannot be loaded."""

    exit_code = 65


class PortInUseError(MlberthError):
    """Somebody else listens on the port that the server is to use."""

    exit_code = 98


class PlatformError(MlberthError):
    """The fault is ours, or the machine's: a full disk, no process left, a bug."""

    exit_code = 70
