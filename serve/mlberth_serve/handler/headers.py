"""A request's headers, as a mapping over its WSGI environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


class Headers(Mapping[str, str]):
    """A request's headers, by name in any case."""

    def __init__(self, environ: Mapping[str, object]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return str(self._environ[_key(name)])

    def __iter__(self) -> Iterator[str]:
        for key in self._environ:
            if key in _UNPREFIXED:
                yield _name(key)
            elif key.startswith("HTTP_"):
                yield _name(key[5:])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in _UNPREFIXED else "HTTP_" + key


def _name(key: str) -> str:
    return key.replace("_", "-").title().replace("-Sagemaker-", "-SageMaker-")
