"""The specification of an algorithm, against which a job is checked before it runs.

Source: the platform's TrainingSpecification, as CreateAlgorithm takes it, with its names and its text for
numbers. So one file describes an algorithm to the platform and to us; ranges include their ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.channels import Channel
from mlberth.contract.environment import Environment
from mlberth.contract.hyperparameters import typed
from mlberth.contract.json_files import read_object
from mlberth.envvars import whole
from mlberth.errors import ContractError, Fault
from mlberth.masking import masked
from mlberth.paths import is_file
from mlberth_train.variables import SPECIFICATION

Described = Mapping[str, Any]


def specified(environment: Environment, file: Path) -> Environment:
    """Return the job with the defaults of its algorithm; raises ContractError for what that does not take."""
    specification = _read(file)
    parameters = environment.parameters
    described = _by_name(specification.get("SupportedHyperParameters"))
    defaults = {
        name: typed(entry["DefaultValue"]) for name, entry in described.items() if "DefaultValue" in entry
    }
    user = {**defaults, **parameters.user}
    faults = [
        *_parameter_faults(described, user),
        *_channel_faults(_by_name(specification.get("TrainingChannels")), environment.channels),
    ]
    if specification.get("SupportsDistributedTraining") is False and len(environment.hosts.names) > 1:
        found = f"{len(environment.hosts.names)} hosts"
        faults.append(Fault("resourceconfig.json, hosts", found, "one host, since it cannot be distributed"))
    if faults:
        raise ContractError(*faults)
    return environment._replace(parameters=parameters._replace(user=user))


def _parameter_faults(described: Mapping[str, Described], user: Mapping[str, Any]) -> Iterator[Fault]:
    for name, entry in described.items():
        if name in user:
            expected = KINDS[entry["Type"]](entry.get("Range") or {}, user[name])
            if expected:
                yield Fault(f"the hyperparameter {name}", repr(masked(name, user[name])), expected)
        elif entry.get("IsRequired"):
            yield Fault(f"the hyperparameter {name}", "nothing", f"a value ({entry['Type']})")
    known = ", ".join(described) or "none"
    for name in sorted(user.keys() - described.keys()):
        yield Fault(f"the hyperparameter {name}", "a value", f"one of those that there are ({known})")


def _channel_faults(described: Mapping[str, Described], channels: Mapping[str, Channel]) -> Iterator[Fault]:
    for name, entry in described.items():
        if name in channels:
            yield from _input_faults(entry, channels[name])
        elif entry.get("IsRequired"):
            yield Fault(f"the channel {name}", "nothing", "data, which is required")
    known = ", ".join(described) or "none"
    for name in sorted(channels.keys() - described.keys()):
        yield Fault(f"the channel {name}", "data", f"one of those that there are ({known})")


def _input_faults(entry: Described, channel: Channel) -> Iterator[Fault]:
    modes, types = entry.get("SupportedInputModes"), entry.get("SupportedContentTypes")
    if modes and channel.mode not in modes:
        yield Fault(f"the channel {channel.name}, TrainingInputMode", channel.mode, " or ".join(modes))
    if types and channel.content_type and channel.content_type not in types:
        yield Fault(
            f"the channel {channel.name}, ContentType", repr(channel.content_type), " or ".join(types)
        )


def _integer(limits: Described, value: object) -> str:
    minimum, maximum = _limits(limits, "IntegerParameterRangeSpecification", whole)
    right = isinstance(value, int) and not isinstance(value, bool)
    return "" if right and _within(value, minimum, maximum) else f"a whole number{_range(minimum, maximum)}"


def _continuous(limits: Described, value: object) -> str:
    minimum, maximum = _limits(limits, "ContinuousParameterRangeSpecification", float)
    right = isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - NaN
    return "" if right and _within(value, minimum, maximum) else f"a number{_range(minimum, maximum)}"


def _categorical(limits: Described, value: object) -> str:
    values = (limits.get("CategoricalParameterRangeSpecification") or {}).get("Values") or []
    if not _is_list_of_text(values):
        raise TypeError(values)
    text = value if isinstance(value, str) else json.dumps(value)
    return "" if not values or text in values else f"one of {', '.join(values)}"


def _anything(limits: Described, value: object) -> str:  # noqa: ARG001 - one shape for all kinds
    return ""


KINDS: dict[str, Callable[[Described, object], str]] = {
    "Integer": _integer,
    "Continuous": _continuous,
    "Categorical": _categorical,
    "FreeText": _anything,
}
"""For each type: what is expected instead of a value, "" if the value is right."""


def _limits(
    limits: Described, name: str, convert: Callable[[str], float]
) -> tuple[float | None, float | None]:
    found = limits.get(name) or {}
    return tuple(convert(str(found[end])) if end in found else None for end in ("MinValue", "MaxValue"))  # type: ignore[return-value]


def _within(value: Any, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or minimum <= value) and (maximum is None or value <= maximum)


def _range(minimum: float | None, maximum: float | None) -> str:
    return (
        f" from {_shown(minimum)} to {_shown(maximum)}" if minimum is not None and maximum is not None else ""
    )


def _shown(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def _by_name(entries: list[Described] | None) -> dict[str, Described]:
    return {entry["Name"]: entry for entry in entries or []}


def _read(file: Path) -> Described:
    specification = read_object(file)
    faults = list(_form_faults(str(file), specification))
    if faults:
        raise ContractError(*faults)
    return specification


def _form_faults(file: str, specification: Described) -> Iterator[Fault]:
    """Yield what is wrong with the specification itself."""
    for section in ("SupportedHyperParameters", "TrainingChannels"):
        entries = specification.get(section) or []
        if not isinstance(entries, list) or not all(_has_name(entry) for entry in entries):
            yield Fault(f"{file}, {section}", "something else", "a list of objects, each with a Name")
            continue
        check = _kind_faults if section == "SupportedHyperParameters" else _list_faults
        for entry in entries:
            yield from check(f"{file}, {section}, {entry['Name']}", entry)


def _has_name(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("Name"), str)


def _kind_faults(where: str, entry: Described) -> Iterator[Fault]:
    kind = entry.get("Type")
    if not isinstance(kind, str) or kind not in KINDS:
        yield Fault(f"{where}, Type", repr(kind), f"one of {', '.join(KINDS)}")
        return
    try:
        KINDS[kind](entry.get("Range") or {}, 0)
    except (AttributeError, TypeError, ValueError):
        expected = "the platform's range of that type, numbers as text"
        yield Fault(f"{where}, Range", repr(entry.get("Range")), expected)


def _list_faults(where: str, entry: Described) -> Iterator[Fault]:
    for name in ("SupportedInputModes", "SupportedContentTypes"):
        values = entry.get(name) or []
        if not _is_list_of_text(values):
            yield Fault(f"{where}, {name}", repr(values), "a list of text")


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def specification_file(environment: Environment, name: str) -> Path:
    """Return the file that the setting names from the code folder on; raises ContractError without it."""
    file = environment.layout.code / name
    if not is_file(file):
        raise ContractError(Fault(SPECIFICATION.name, repr(name), "a file, relative to the code folder"))
    return file
