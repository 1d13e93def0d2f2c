"""The files of a model, brought to the folder that its server finds them in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlberth.code.archives import extract
from mlberth.errors import ContractError
from mlberth_local.engines.trees import tree_size
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.files import bring
from mlberth_local.inputs.objects import Objects, below, files
from mlberth_local.job_failure import JobFailure


def bring_model(container: Mapping[str, Any], folder: Path, objects: Objects) -> None:
    """Fill a folder with the model of a container definition. Raises JobFailure."""
    folder.mkdir(parents=True, exist_ok=True)
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    address = source.get("S3Uri") or container.get("ModelDataUrl")
    if not address:
        return
    try:
        if source.get("CompressionType") == "None" and source.get("S3DataType") == "S3Object":
            bring(objects.find(address), folder, address.rpartition("/")[2])
        elif source.get("CompressionType") == "None":
            _copy(address, folder, objects)
        else:
            extract(objects.find(address).path, folder, links=True)
    except ServiceError as error:
        raise JobFailure(f"ClientError: the model {address}: {error.message}") from None
    except (ContractError, ValueError) as error:
        raise JobFailure(f"ClientError: the model {address}: {error}") from None


def bring_archive(address: str, folder: Path, objects: Objects) -> int:
    """Unpack an archive into a folder unless it is there; returns how many bytes the folder's files have.

    Raises ServiceError if there is no such object, ArchiveError, and OSError or PlatformError if the disk
    fails.
    """
    if not folder.is_dir():
        extract(objects.find(address).path, folder, links=True)
    return tree_size(folder)


def _copy(address: str, folder: Path, objects: Objects) -> None:
    prefix = below(address, "")
    found = list(files(objects, prefix))
    if not found:
        raise JobFailure(f"ClientError: the model {address}: there is no object below {prefix}")
    for one in found:
        bring(one, folder, one.address.removeprefix(prefix))
