"""inputdataconfig.json: the job's input channels.

Source: the training contract. A channel is a folder `input/data/NAME`; in Pipe mode it is a series
of FIFOs `input/data/NAME_0`, `NAME_1`, … that appear one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlberth._typing import NamedTuple, typing
from mlberth.contract.json_files import read_object
from mlberth.contract.layout import Layout
from mlberth.errors import ContractError, Fault
from mlberth.paths import is_folder

_FIELDS = {
    "TrainingInputMode": "mode",
    "ContentType": "content_type",
    "S3DistributionType": "distribution",
    "RecordWrapperType": "record_wrapper",
    "CompressionType": "compression",
}
_CHOICES = {
    "S3DistributionType": ("FullyReplicated", "ShardedByS3Key"),
    "RecordWrapperType": ("None", "RecordIO"),
    "CompressionType": ("None", "Gzip"),
}


class Channel(NamedTuple):
    """One input of the job."""

    name: str
    path: Path
    """The channel's folder; in Pipe mode nothing is there (see `mode`)."""
    mode: str = "File"
    """File, FastFile (the same folder, read-only and fetched as it is read) or Pipe."""
    content_type: str | None = None
    distribution: str = "FullyReplicated"
    """FullyReplicated: each host has everything; ShardedByS3Key: each has a part of it."""
    record_wrapper: str | None = None
    """RecordIO: in Pipe mode each object is a record of RecordIO."""
    compression: str | None = None
    """Gzip: the objects are compressed; in Pipe mode the platform has unpacked them."""
    shuffle_seed: int | None = None
    """The seed of the order in which the platform brings the objects."""


def read_channels(layout: Layout) -> tuple[dict[str, Channel], dict[str, typing.Any]]:
    """Return the channels by name, and inputdataconfig.json as it is.

    Without the file, each folder in input/data is a channel: that is what a user who mounts a tree
    by hand means. Raises ContractError that lists every faulty channel.
    """
    path = layout.input_data_config
    config = read_object(path, default=_channels_on_disk(layout.data))
    # A channel of which nothing is said: the SDK's local mode writes null, and others {}.
    config = {name: {} if entry is None else entry for name, entry in config.items()}
    faults = [fault for name, entry in config.items() for fault in _faults(layout, str(path), name, entry)]
    if faults:
        raise ContractError(*faults)
    return {name: _channel(layout, name, entry) for name, entry in config.items()}, config


def _channels_on_disk(data: Path) -> dict[str, typing.Any]:
    try:
        names = sorted(
            entry.name for entry in data.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        )
    except OSError:
        return {}
    return {name: {"TrainingInputMode": "File"} for name in names}


def _channel(layout: Layout, name: str, entry: Mapping[str, typing.Any]) -> Channel:
    values = {field: entry[key] for key, field in _FIELDS.items() if entry.get(key) not in (None, "None")}
    shuffle = entry.get("ShuffleConfig") or {}
    return Channel(name, layout.channel(name), **values, shuffle_seed=shuffle.get("Seed"))


def _faults(layout: Layout, path: str, name: str, entry: object) -> list[Fault]:
    where = f"{path}, channel {name!r}"
    if not name or "/" in name or name in (".", "..") or "\0" in name:
        return [Fault(where, "a name that leads elsewhere", "letters, digits, '-', '_' or '.'")]
    if not isinstance(entry, dict):
        return [Fault(where, repr(entry), 'an object such as {"TrainingInputMode": "File"}')]
    if faults := list(_field_faults(where, entry)):
        return faults
    mode = entry.get("TrainingInputMode") or "File"
    if mode not in ("File", "FastFile", "Pipe"):
        return [Fault(f"{where}, TrainingInputMode", repr(mode), "File, FastFile or Pipe")]
    if mode != "Pipe" and not is_folder(layout.channel(name)):
        action = "Mount or copy the channel's data there, or take the channel out of the file."
        return [Fault(where, "no data", f"a folder {layout.channel(name)}", action)]
    return []


def _field_faults(where: str, entry: Mapping[str, typing.Any]) -> Iterator[Fault]:
    for key, choices in _CHOICES.items():
        if entry.get(key) is not None and entry[key] not in choices:
            yield Fault(f"{where}, {key}", repr(entry[key]), " or ".join(choices))
    if not isinstance(entry.get("ContentType", ""), str | None):
        yield Fault(f"{where}, ContentType", repr(entry["ContentType"]), "text, such as 'text/csv'")
    shuffle = entry.get("ShuffleConfig") or {}
    seed = shuffle.get("Seed", 0) if isinstance(shuffle, dict) else None
    if not isinstance(seed, int) or isinstance(seed, bool):
        yield Fault(f"{where}, ShuffleConfig", repr(shuffle), 'an object such as {"Seed": 7}')
