"""The objects of a channel: by prefix, manifest or augmented manifest, and which of them each host gets."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlberth.channels.manifests import read_augmented, read_manifest
from mlberth.errors import ContractError
from mlberth.transfer.names import file_name
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Object, Objects, split
from mlberth_local.job_failure import JobFailure


@dataclass(frozen=True)
class Item:
    """One object of a channel."""

    name: str
    """Its file's name in the channel's folder."""
    object: Object


@dataclass(frozen=True)
class Selection:
    """What a channel or an input holds."""

    items: tuple[Item, ...]
    folder: Path | None = None
    """The folder that holds just these files, if there is one."""
    manifest: Path | None = None
    """The augmented manifest."""


def select(source: Mapping[str, Any], objects: Objects) -> Selection:
    """Return what an S3DataSource names. Raises JobFailure if there is nothing."""
    address, kind = source["S3Uri"], source.get("S3DataType") or "S3Prefix"
    try:
        if kind == "ManifestFile":
            return _by_manifest(objects.find(address), objects)
        if kind == "AugmentedManifestFile":
            return _by_augmented_manifest(objects.find(address), source, objects)
        return _by_prefix(address, objects)
    except ServiceError as error:
        raise missing(address, error.message) from None
    except (ContractError, ValueError) as error:
        raise JobFailure(f"ClientError: Data download failed: {error}") from None


def missing(address: str, cause: str = "") -> JobFailure:
    """Return the failure of an address without objects, in the service's wording."""
    detail = f" ({cause})" if cause else ""
    return JobFailure(
        f'ClientError: Data download failed:No S3 objects found under S3 URL "{address}" given in input data '
        f"source. Please ensure that the bucket exists and that objects exist under that S3 prefix.{detail}"
    )


def _by_prefix(address: str, objects: Objects) -> Selection:
    found = [one for one in objects.list(address) if not one.key.endswith("/")]
    if not found:
        raise missing(address)
    _, prefix = split(address)
    return Selection(tuple(Item(file_name(one.key, prefix), one) for one in found), _folder(found, prefix))


def _folder(found: list[Object], prefix: str) -> Path | None:
    """Return the folder that has the files of all these objects under the names that they shall have."""
    first = found[0]
    name = file_name(first.key, prefix)
    if not str(first.path).endswith(f"/{name}"):
        return None
    folder = Path(str(first.path)[: -len(name) - 1])
    same = all(one.path == folder / file_name(one.key, prefix) for one in found)
    if not same or _has_links(folder, found):
        return None
    # A file beside the prefix's folder belongs to it as well, and one of many in a folder is not the folder.
    is_whole = prefix.endswith("/") or not prefix or folder.name == prefix.rsplit("/", maxsplit=1)[-1]
    return folder if is_whole else None


def _has_links(folder: Path, found: list[Object]) -> bool:
    """Return whether there is a link on the way to an object: inside a host it would lead elsewhere."""
    places = {one.path for one in found}
    ahead = places
    while ahead := {place.parent for place in ahead} - places - {folder}:
        places = places | ahead
    return any(place.is_symlink() for place in places)


def _by_manifest(manifest: Object, objects: Objects) -> Selection:
    items = []
    for address in read_manifest(manifest.path):
        _, key = split(address)
        found = list(objects.list(address)) if address.endswith("/") else [objects.find(address)]
        items += [Item(one.key.removeprefix(key) or Path(key).name, one) for one in found]
    names = [item.name for item in items]
    if len(set(names)) < len(names):  # two folders of the manifest have files of the same name
        items = [Item(item.object.key, item.object) for item in items]
    if not items:
        raise missing(manifest.address, "the manifest is empty")
    return Selection(tuple(items))


def _by_augmented_manifest(manifest: Object, source: Mapping[str, Any], objects: Objects) -> Selection:
    wanted = source.get("AttributeNames") or []
    items = {}
    with manifest.path.open("rb") as file:
        for entry in read_augmented(file, manifest.address, Path("/nowhere")):
            for name in wanted:
                if name not in entry:
                    raise JobFailure(
                        f"ClientError: {manifest.address}: a line without the attribute {name!r}"
                    )
                if name.endswith("-ref"):
                    found = objects.find(entry[name])
                    items[found.address] = Item(found.key, found)
    return Selection(tuple(items.values()), manifest=manifest.path)


def share(items: tuple[Item, ...], distribution: str, host: int, hosts: int) -> tuple[Item, ...]:
    """Return the items of one host: all of them, or its share by key."""
    return items[host::hosts] if distribution == "ShardedByS3Key" else items


def shuffled(items: tuple[Item, ...], seed: int | None, epoch: int = 0) -> tuple[Item, ...]:
    """Return the items in the order of a seed, another for each epoch; as they are without one."""
    if seed is None:
        return items
    order = list(items)
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 - reproducible on purpose
    return tuple(order)
