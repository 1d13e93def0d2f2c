"""Values by name, as the environments of the sagemaker toolkits hold them: items that are attributes too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Values(Mapping[str, Any]):
    """A read-only mapping whose items are attributes too."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        # `_values` is looked up here only before it is there: while an object is copied.
        if name != "_values" and name in self._values:
            return self._values[name]
        raise AttributeError(name)

    def properties(self) -> list[str]:
        """Return the names of all items."""
        return list(self)
