"""The table of images, `images.json` in the home: a name in a registry, and the local image that is run.

A key may have `*` for any text, also in the tag; the first that fits counts. In the local name `{role}` is
`serve` for endpoints and transforms, which many frameworks have no image of their own for, and else `train`.
People edit the file.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Protocol

from mlberth_local.errors import ValidationError
from mlberth_local.files import write_atomically

FILE = "images.json"
Role = Literal["train", "serve"]
"""What an image is wanted for."""
DEFAULTS = {
    "*.dkr.ecr.*.amazonaws.com/sagemaker-scikit-learn:*": "mlberth-{role}:sklearn",
    "*.dkr.ecr.*.amazonaws.com/sagemaker-xgboost:*": "mlberth-{role}:xgboost",
    "*.dkr.ecr.*.amazonaws.com/pytorch-training:*": "mlberth-train:torch",
    "*.dkr.ecr.*.amazonaws.com/pytorch-inference:*": "mlberth-serve:torch",
    **{
        f"*.dkr.ecr.*.amazonaws.com/{algorithm}:*": "mlberth-{role}:sklearn"
        for algorithm in ("kmeans", "knn", "linear-learner", "pca", "randomcutforest")
    },
    "*.dkr.ecr.*.amazonaws.com/xgboost:*": "mlberth-{role}:xgboost",
    "*.dkr.ecr.*.amazonaws.com/mlberth-*": "mlberth-*",
}
"""The framework images that the SDKs name, and our own pushed to a registry. A `*` of the local name is what
the last `*` of the key stands for."""


class FindImage(Protocol):
    """Returns the local image for the name of one."""

    def __call__(self, image: str, role: Role = "train") -> str:
        """Return what is run for the image in a role."""


def as_named(image: str, role: Role = "train") -> str:  # noqa: ARG001 - the same for all
    """Return the name itself: for those who have no table."""
    return image


def local_image(home: Path, image: str, role: Role = "train") -> str:
    """Return the local image that is run for an image's name; the name itself if the table has none."""
    for pattern, local in table(home).items():
        if fnmatchcase(image, pattern):
            if pattern.endswith("*") and "*" in local:
                last = pattern.rstrip("*").rpartition("*")[2]
                return local.replace("*", image.rpartition(last)[2])
            return local.replace("{role}", role)
    return image


def table(home: Path) -> dict[str, str]:
    """Return the table; it is written with its defaults if it is not there. Raises `ValidationError`."""
    path = home / FILE
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        write_atomically(path, json.dumps(DEFAULTS, indent=2).encode() + b"\n")
        return dict(DEFAULTS)
    except ValueError as error:
        raise ValidationError(f"{FILE} is not valid JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValidationError(f'{FILE}: expected an object of names, {{"REGISTRY/IMAGE:TAG": "LOCAL:TAG"}}')
    return found
