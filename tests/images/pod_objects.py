"""What pods of a test name: secrets, images, and objects in a store."""

from __future__ import annotations

import tarfile
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.images.engine import Engine
from tests.object_store import ObjectStore


def keys(store: ObjectStore) -> dict[str, dict[str, str]]:
    """Return the Secret that the manifests name."""
    return {"object-store": {**store.environ, "AWS_EC2_METADATA_DISABLED": "true"}}


def archive_of(store: ObjectStore, key: str) -> dict[str, bytes]:
    """Return the files of an archive in the bucket."""
    with tarfile.open(fileobj=BytesIO(store.read(key))) as archive:
        return {
            name: archive.extractfile(name).read()  # type: ignore[union-attr]
            for name in archive.getnames()
        }


def set_variable(container: dict[str, Any], name: str, value: str) -> None:
    """Change a variable of a container, as its user does."""
    (entry,) = [entry for entry in container["env"] if entry["name"] == name]
    entry["value"] = value


def build(engine: Engine, folder: Path, base: str, program: str) -> str:
    """Return the name of an image with a program, FROM one of ours."""
    folder.mkdir()
    (folder / "train.py").write_text(program)
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY train.py /opt/ml/code/\n")
    return engine.build(folder, f"mlberth-tests/iris:{uuid.uuid4().hex[:8]}")
