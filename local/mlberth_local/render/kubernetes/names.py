"""Names and amounts as Kubernetes takes them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from mlberth_local.instance_types import gpu_count
from mlberth_local.jobs.capacity import Capacity

_GB = 1024**3
_HASH = 6


def name_of(text: str, longest: int) -> str:
    """Return a request's name as a label: lower case, and cut with a hash of the whole if it is too long."""
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH]
    return f"{name[: longest - _HASH - 1].strip('-')}-{digest}"


def metadata(name: str, tags: list[Mapping[str, str]] | None = None) -> dict[str, Any]:
    """Return the metadata of an object, with the request's tags as one annotation."""
    found: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/name": name}}
    if tags:
        text = json.dumps({tag["Key"]: tag["Value"] for tag in tags})
        found["annotations"] = {"mlberth/tags": text}
    return found


def resources(instance_type: str, volume_gb: int | None = None) -> dict[str, Any]:
    """Return the resources of a container that has an instance of a type for itself, which may be unknown."""
    amounts: dict[str, Any] = {}
    limits = Capacity(math.inf, 2**62).limits(instance_type)
    if math.isfinite(limits.cpus):
        amounts = {"cpu": str(int(limits.cpus)), "memory": f"{limits.memory // _GB}Gi"}
    if volume_gb:
        amounts["ephemeral-storage"] = f"{volume_gb}Gi"
    if gpus := gpu_count(instance_type):
        amounts["nvidia.com/gpu"] = str(gpus)
    return {"requests": amounts, "limits": dict(amounts)} if amounts else {}
