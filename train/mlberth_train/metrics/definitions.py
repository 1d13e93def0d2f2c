"""MetricDefinitions: which regular expressions find which metrics in a program's output.

Read from metric-definition-regex.json and trainingjobconfig.json, as the platform writes them, and from the
TrainingSpecification of the algorithm. The first group of a regex is the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlberth._typing import NamedTuple, typing
from mlberth.contract.json_files import read_object, read_object_or_list
from mlberth.contract.layout import Layout
from mlberth.errors import ContractError

FILE = "metric-definition-regex.json"
JOB_FILE = "trainingjobconfig.json"


class Definition(NamedTuple):
    """One metric, and how it is found."""

    name: str
    regex: str


def read_definitions(layout: Layout, specification: Path | None = None) -> tuple[list[Definition], list[str]]:
    """Return the definitions of a job, and what is wrong with others; of two of one name the first counts."""
    found: dict[str, Definition] = {}
    problems: list[str] = []
    for where, read in _sources(layout, specification):
        try:
            entries = read(where)
        except ContractError as error:
            problems.append(f"{error} No metrics are taken from it.")
            continue
        for entry in _pairs(entries):
            if isinstance(entry, str):
                problems.append(
                    f"{where}: found {entry}; expected objects with Name and Regex. It is not applied."
                )
            else:
                found.setdefault(entry.name, entry)
    return list(found.values()), problems


def _sources(
    layout: Layout, specification: Path | None
) -> Iterator[tuple[Path, Callable[[Path], typing.Any]]]:
    yield layout.config / FILE, _from_file
    yield layout.config / JOB_FILE, _from_job
    if specification:
        yield specification, lambda path: read_object(path, default={}).get("MetricDefinitions")


def _from_file(path: Path) -> typing.Any:
    content = read_object_or_list(path)
    return content.get("MetricDefinitions", content) if isinstance(content, dict) else content


def _from_job(path: Path) -> typing.Any:
    job = read_object(path, default={})
    algorithm = job.get("AlgorithmSpecification")
    return (algorithm if isinstance(algorithm, dict) else job).get("MetricDefinitions")


def _pairs(entries: typing.Any) -> Iterator[Definition | str]:
    """Yield what a list of Name and Regex, or an object of regexes by name, defines; text for the rest."""
    if isinstance(entries, Mapping):
        entries = [{"Name": name, "Regex": regex} for name, regex in entries.items()]
    for entry in entries if isinstance(entries, list) else []:
        name, regex = (entry.get("Name"), entry.get("Regex")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and name and isinstance(regex, str) and regex:
            yield Definition(name, regex)
        else:
            yield f"the metric {name!r}" if name else f"a {type(entry).__name__}"
