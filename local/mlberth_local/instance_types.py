"""The GPUs of the service's instance types. Source: the pages of EC2's accelerated instances."""

from __future__ import annotations

_BY_SIZE = {
    "p2": {"xlarge": 1, "8xlarge": 8, "16xlarge": 16},
    "p3": {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p4de": {"24xlarge": 8},
    "p5": {"4xlarge": 1, "48xlarge": 8},
    "p5e": {"48xlarge": 8},
    "p5en": {"48xlarge": 8},
    "p6-b200": {"48xlarge": 8},
    "p6-b300": {"48xlarge": 8},
    "p6e-gb200": {"36xlarge": 4},
    "g4dn": {"12xlarge": 4},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g7": {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8},
    "g7e": {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8},
}
"""By family and size; the other sizes of a family G have one."""


def gpu_count(instance_type: str) -> int:
    """Return how many GPUs an instance of a type has; 0 if it has none, or nobody knows."""
    family, _, size = instance_type.removeprefix("ml.").partition(".")
    return _BY_SIZE.get(family, {}).get(size, int(family.startswith("g") and family in _BY_SIZE))
