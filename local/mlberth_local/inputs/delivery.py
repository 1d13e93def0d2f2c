"""Channels brought to a host: as files of its own, as a read-only folder, or as pipes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlberth_local.engines.base import Mount
from mlberth_local.engines.overlays import can_be_named
from mlberth_local.engines.trees import copy_file
from mlberth_local.inputs.channels import Selection, check_names
from mlberth_local.inputs.files import bring

FEED = "feed.json"


@dataclass(frozen=True)
class Channel:
    """One entry of InputDataConfig, as one host gets it."""

    name: str
    mode: str
    """File, FastFile or Pipe."""
    config: Mapping[str, Any]
    """The entry of the request."""

    @property
    def source(self) -> Mapping[str, Any]:
        """The S3DataSource."""
        found: Mapping[str, Any] = self.config["DataSource"]["S3DataSource"]
        return found

    @property
    def distribution(self) -> str:
        """FullyReplicated or ShardedByS3Key."""
        return self.source.get("S3DataDistributionType") or "FullyReplicated"

    @property
    def seed(self) -> int | None:
        """The seed of the order of the objects, if it is shuffled."""
        return (self.config.get("ShuffleConfig") or {}).get("Seed")

    def contract(self) -> dict[str, Any]:
        """Return the channel's entry in inputdataconfig.json."""
        entry = {
            "TrainingInputMode": self.mode,
            "S3DistributionType": self.distribution,
            "RecordWrapperType": self.config.get("RecordWrapperType") or "None",
            "CompressionType": self.config.get("CompressionType") or "None",
        }
        for name in ("ContentType", "ShuffleConfig"):
            if self.config.get(name):
                entry[name] = self.config[name]
        # FastFile shows itself to a program as File, as on the platform.
        return entry | {"TrainingInputMode": "File"} if self.mode == "FastFile" else entry


def channels_of(request: Mapping[str, Any], group: str) -> list[Channel]:
    """Return the channels that the hosts of an instance group get."""
    default = request["AlgorithmSpecification"].get("TrainingInputMode") or "File"
    found = []
    for entry in request.get("InputDataConfig") or []:
        groups = entry["DataSource"]["S3DataSource"].get("InstanceGroupNames") or [group]
        if group in groups:
            found.append(Channel(entry["ChannelName"], entry.get("InputMode") or default, entry))
    return found


def deliver(
    channel: Channel,
    selection: Selection,
    folder: Path,
    *,
    host: int,
    hosts: int,
    mounts_folders: bool,
    changes: Path | None = None,
    is_stopped: Callable[[], bool],
) -> dict[str, Any]:
    """Bring a channel's objects to `folder`/NAME for one host of those that share it.

    Returns what has to be done when the host starts: the `mount` of a folder, one with `changes` of its own,
    or the `feed` of pipes. `changes` is the folder for those of an overlay; without it, files are copied.
    """
    if channel.mode == "Pipe":
        part = (host, hosts) if channel.distribution == "ShardedByS3Key" else (0, 1)
        return {"feed": feed(channel, selection, part, folder)}
    items = selection.share(channel.distribution, host, hosts, channel.seed)
    check_names(items)
    target = folder / channel.name
    target.mkdir(parents=True, exist_ok=True)
    if selection.manifest:
        copy_file(selection.manifest, folder / f"{channel.name}-manifest")
    if selection.folder and len(items) == len(selection.items):
        if channel.mode == "FastFile" and mounts_folders:
            return {"mount": str(selection.folder)}
        if channel.mode == "File" and changes and can_be_named(selection.folder, changes):
            return {"mount": str(selection.folder), "changes": str(changes)}
    for item in items:
        if is_stopped():
            break
        bring(item.object, target, item.name, read_only=channel.mode == "FastFile")
    return {}


def feed(channel: Channel, selection: Selection, part: tuple[int, int], folder: Path) -> dict[str, Any]:
    """Return what the feeder of a pipe needs to know: which files, in which order, in which form.

    It has those of all hosts: what a host gets of a shuffled channel changes from one epoch to the next.
    """
    wrapper = channel.config.get("RecordWrapperType") == "RecordIO"
    entry: dict[str, Any] = {
        "pipe": str(folder / channel.name),
        "seed": channel.seed,
        "part": part,
        "gzip": channel.config.get("CompressionType") == "Gzip",
        "records": wrapper,
    }
    if selection.manifest:
        files = {item.object.address: str(item.object.path) for item in selection.items}
        names = channel.source.get("AttributeNames") or []
        return entry | {"manifest": str(selection.manifest), "attributes": names, "files": files}
    return entry | {
        "paths": [str(item.object.path) for item in selection.items],
        "addresses": [item.object.address for item in selection.items],
    }


def write_feeds(feeds: Sequence[Mapping[str, Any]], base: Path) -> None:
    """Leave the feeds of a host where its feeder looks for them."""
    base.mkdir(parents=True, exist_ok=True)
    (base / FEED).write_text(json.dumps({"feeds": list(feeds)}))


def mount_of(found: Mapping[str, str], target: str) -> Mount:
    """Return the mount of a channel's folder."""
    source = Path(found["mount"])
    if "changes" in found:
        return Mount(source, target, changes=Path(found["changes"]))
    return Mount(source, target, read_only=True)
