"""The plan of a run: which files go to which addresses, which operations are called, what comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_local.inputs.objects import SCHEME, below

FLAVOURS = ("base", "sklearn", "xgboost", "torch")
ROLE = "arn:aws:iam::000000000000:role/mlberth"
CODE = "sourcedir.tar.gz"
LONGEST_NAME = 63
_DEFAULT_TYPE = "ml.m5.large"
_NO_NAME = re.compile(r"[^a-zA-Z0-9]+")


@dataclass(frozen=True)
class Upload:
    """Files of this machine, and their address."""

    source: Path
    address: str
    """Of an object; of a folder that is not packed, the prefix of its files."""
    packed: bool = False
    """Whether a folder becomes one .tar.gz."""
    without: tuple[Path, ...] = ()
    """Files and folders below it that stay here."""
    code: Path | None = None
    """A folder of code that is packed with it, as `code/`."""


@dataclass(frozen=True)
class Download:
    """Objects that come back when the job has ended well."""

    address: str
    target: Path


@dataclass
class Plan:
    """A run before anything is done. Everything is below one prefix, that of the job."""

    operation: str
    """That starts the job."""
    name: str
    bucket: str
    request: dict[str, Any] = field(default_factory=dict)
    before: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Operations that are called first, and their requests."""
    uploads: list[Upload] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        """The address of all that belongs to the job."""
        return f"{SCHEME}{self.bucket}/{self.name}"

    def bring(self, given: str, where: str, flag: str) -> str:
        """Return the address of an input: as it is, or below the job's prefix if it is a path here."""
        if given.startswith(SCHEME):
            return given
        path = existing(given, flag)
        address = below(self.prefix, where, "" if path.is_dir() else path.name)
        self.uploads.append(Upload(path, address))
        return address

    def take(self, given: str | None, address: str) -> str:
        """Return the address of an output, which is fetched into a folder if one is given."""
        if given and given.startswith(SCHEME):
            return given
        if given:
            self.downloads.append(Download(address, Path(given)))
        return address


def existing(given: str, flag: str) -> Path:
    """Return the path of a file or folder that is there. Raises `ContractError` that names the flag."""
    path = Path(given)
    if not path.exists():
        raise ContractError(Fault(flag, repr(given), "a file or folder, or s3://bucket/prefix"))
    return path


def image_name(given: str, purpose: str) -> str:
    """Return the image of a flavour (`xgboost`: `mlberth-train:xgboost`), or the name as it is."""
    return f"mlberth-{purpose}:{given}" if given in FLAVOURS else given


def job_name(given: str | None, origin: str, moment: str) -> str:
    """Return the name that was given, or one of where the job comes from and the moment."""
    if given:
        return given
    stem = _NO_NAME.sub("-", origin).strip("-") or "job"
    return f"{stem[: LONGEST_NAME - len(moment) - 1].strip('-')}-{moment}"


def pairs(given: Iterable[str], flag: str, name: Callable[[str], str] | None = None) -> dict[str, str]:
    """Return `NAME=VALUE` words as a mapping; a word without `=` gets its name from `name`.

    Raises `ContractError` that lists every word that is not one, and every name that is there twice.
    """
    found: dict[str, str] = {}
    faults = []
    for word in given:
        key, equals, value = word.partition("=")
        if name and (not equals or "/" in key):
            key, value, equals = name(word), word, "="
        if not (key and equals):
            faults.append(Fault(flag, repr(word), "NAME=VALUE"))
        elif key in found:
            faults.append(Fault(flag, f"{key} twice", "each name once"))
        found[key] = value
    if faults:
        raise ContractError(*faults)
    return found


def program_of(folder: Path, given: str | None, default: str) -> str:
    """Return the program of a project. Raises `ContractError` that lists what is there."""
    program = given or default
    if (folder / program).is_file():
        return program
    there = ", ".join(sorted(path.name for path in folder.glob("*.py"))) or "no *.py"
    fault = Fault("--program", repr(program), f"a file in {folder}, which has {there}")
    raise ContractError(fault)


def cluster(instances: int, instance_type: str | None) -> dict[str, Any]:
    """Return the hosts of a job."""
    return {"InstanceType": instance_type or _DEFAULT_TYPE, "InstanceCount": instances}
