"""The objects of a channel: by prefix, manifest or augmented manifest, and which of them each host gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mlberth.channels.manifests import parse_manifest, read_entries
from mlberth.errors import ContractError
from mlberth.transfer.names import file_name, listed_name
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.files import download_failure
from mlberth_local.inputs.objects import Object, Objects, files, split
from mlberth_local.inputs.order import shuffled
from mlberth_local.job_failure import JobFailure

T = TypeVar("T")
DATA_TYPES = ("S3Prefix", "ManifestFile", "AugmentedManifestFile")
"""The values of S3DataType that are carried out."""


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
    lines: tuple[tuple[Item, ...], ...] = ()
    """The objects that each of its lines refers to."""

    def share(self, distribution: str, host: int, hosts: int, seed: int | None = None) -> tuple[Item, ...]:
        """Return the items of one host: of an augmented manifest those of its lines, which stay whole."""
        if not self.manifest:
            return share(shuffled(self.items, seed), distribution, host, hosts)
        lines = share(shuffled(self.lines, seed), distribution, host, hosts)
        return _once(item for line in lines for item in line)


def select(source: Mapping[str, Any], objects: Objects) -> Selection:
    """Return what an S3DataSource names. Raises JobFailure if there is nothing."""
    address, kind = source["S3Uri"], source.get("S3DataType") or "S3Prefix"
    if faults := source_faults(source):
        raise download_failure("; ".join(faults))
    try:
        if kind == "ManifestFile":
            return _by_manifest(objects.find(address), objects)
        if kind == "AugmentedManifestFile":
            return _by_augmented_manifest(objects.find(address), source, objects)
        return _by_prefix(address, objects)
    except ServiceError as error:
        raise missing(address, error.message) from None
    except (ContractError, ValueError) as error:
        raise download_failure(error) from None


def source_faults(source: Mapping[str, Any]) -> list[str]:
    """Return what is wrong in an S3DataSource of a channel beside its address."""
    kind = source.get("S3DataType") or DATA_TYPES[0]
    if kind not in DATA_TYPES:
        return [f"S3DataType {kind} is not carried out here; use {', '.join(DATA_TYPES)}"]
    if kind == "AugmentedManifestFile" and not source.get("AttributeNames"):
        return ["AttributeNames is required with AugmentedManifestFile"]
    return []


def missing(address: str, cause: str = "") -> JobFailure:
    """Return the failure of an address without objects, in the service's wording."""
    detail = f" ({cause})" if cause else ""
    return JobFailure(
        f'ClientError: Data download failed:No S3 objects found under S3 URL "{address}" given in input data '
        f"source. Please ensure that the bucket exists and that objects exist under that S3 prefix.{detail}"
    )


def _by_prefix(address: str, objects: Objects) -> Selection:
    found = list(files(objects, address))
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
    found = parse_manifest(manifest.path, manifest.address)
    items = _once(
        Item(listed_name(one.key, found.prefix), one)
        for address in found.addresses
        for one in _listed(manifest.address, address, objects)
    )
    if not items:
        raise missing(manifest.address, "the manifest is empty")
    return Selection(items)


def _listed(manifest: str, address: str, objects: Objects) -> Iterator[Object]:
    """Yield the object that a manifest lists, or those below a folder. Raises JobFailure for none."""
    try:
        if not address.endswith("/"):
            yield objects.find(address)
            return
        found = list(files(objects, address))
    except ServiceError as error:
        raise missing(address, f"listed in {manifest}: {error.message}") from None
    except ValueError as error:
        raise download_failure(f"{manifest}: {error}") from None
    if not found:
        raise missing(address, f"listed in {manifest}")
    yield from found


def _by_augmented_manifest(manifest: Object, source: Mapping[str, Any], objects: Objects) -> Selection:
    wanted = source.get("AttributeNames") or []
    found: dict[str, Item] = {}
    lines = []
    with manifest.path.open("rb") as file:
        for number, entry in read_entries(file, manifest.address):
            where = f"{manifest.address}, line {number}"
            if absent := [name for name in wanted if name not in entry]:
                raise download_failure(f"{where}: no attribute {absent[0]!r}")
            references = [(name, entry[name]) for name in wanted if name.endswith("-ref")]
            for name, address in references:
                if not isinstance(address, str):
                    text = (
                        f"{name} is a {type(address).__name__}; expected an address such as s3://bucket/key"
                    )
                    raise download_failure(f"{where}: {text}")
                if address not in found:
                    found[address] = _referred(where, address, objects)
            lines.append(tuple(found[address] for _, address in references))
    if not lines:
        raise missing(manifest.address, "the manifest is empty")
    return Selection(_once(found.values()), manifest=manifest.path, lines=tuple(lines))


def _referred(where: str, address: str, objects: Objects) -> Item:
    try:
        found = objects.find(address)
    except ServiceError as error:
        raise missing(address, f"{where}: {error.message}") from None
    except ValueError as error:
        raise download_failure(f"{where}: {error}") from None
    return Item(found.key, found)


def _once(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return items without those that are there already."""
    return tuple({(item.name, item.object.address): item for item in items}.values())


def check_names(items: Iterable[Item]) -> None:
    """Raise JobFailure for two objects that would be the same file: those of a manifest can be."""
    known: dict[str, str] = {}
    for item in items:
        address = item.object.address
        if known.setdefault(item.name, address) != address:
            text = f"{known[item.name]!r} and {address!r} would both be the file {item.name!r}"
            raise download_failure(text)


def share(items: tuple[T, ...], distribution: str, host: int, hosts: int) -> tuple[T, ...]:
    """Return the items of one host: all of them, or its share by key."""
    return items[host::hosts] if distribution == "ShardedByS3Key" else items
