"""The variants of endpoints as far as scaling is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
"""What is scaled here."""


@dataclass(frozen=True)
class Variant:
    """A variant that is there."""

    desired: int
    """Its number of instances, or the one that it is brought to."""
    is_ready: bool
    """Whether its endpoint is in service, and nothing is being changed."""
    least: int = 1
    """How few instances it may have: 0 if it takes asynchronous requests."""


class Variants(Protocol):
    """Finds variants, and changes their numbers of instances."""

    def find(self, endpoint: str, variant: str) -> Variant | None:
        """Return a variant; None if there is none of these names."""

    def set_desired_count(self, endpoint: str, variant: str, count: int) -> None:
        """Begin to bring a variant to a number of instances. Raises ServiceError if it cannot now."""


def names_of(resource_id: str) -> tuple[str, str] | None:
    """Return the endpoint and the variant of `endpoint/E/variant/V`; None if it is not of this form."""
    parts = resource_id.split("/")
    if len(parts) != 4 or parts[0] != "endpoint" or parts[2] != "variant" or not all(parts):
        return None
    return parts[1], parts[3]
