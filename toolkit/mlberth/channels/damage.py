"""The error for data that is damaged: which file, where in it, what stands there."""

from __future__ import annotations

from mlberth.errors import ContractError, Fault

_ACTION = "Write the file again, or take it out of the channel."


def damage(
    name: object, place: int, found: str, expected: str, action: str = _ACTION, *, unit: str = "byte"
) -> ContractError:
    """Return the error for something wrong in a file; `place` counts bytes from 0, or lines from 1."""
    return ContractError(Fault(f"{name}, {unit} {place}", found, expected, action))
