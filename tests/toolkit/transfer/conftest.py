"""A bucket on this machine, for the tests of what is copied from it and to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.object_store import CREDENTIALS, ObjectStore, serving_objects


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """Serve a bucket; botocore finds the credentials in this process's environment."""
    pytest.importorskip("moto", exc_type=ImportError)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with serving_objects() as serving:
        yield serving
