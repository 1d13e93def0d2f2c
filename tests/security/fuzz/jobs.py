"""Trees of jobs and environments made by chance, or right but for one place: there they are odd and wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.security.fuzz.fuzzing import mutated

from mlberth.contract.layout import BASE_DIR
from mlberth_serve import variables as serve_variables
from mlberth_train import variables as train_variables

ODD = [
    "", "a\0b", "\ud800", "x" * 300, "x/" * 3000, "1" * 5000, "9" * 400, "\uff11", "1e400", "[" * 2000,
    "[" * 150 + "]" * 150, "0,\u0662,1",
]  # fmt: skip
"""What some reader or other stumbles over."""
TEXTS = [
    *ODD, " ", "x", "a\nb", "../x", "1_0", "NaN", "[]", "{}", "-1", "train.py", "/etc/passwd", "..",
    ".", "a/b", "\x1b[31m",
    "-c", "--help", "é", "\U0001f600", "$(id)", "; rm -rf /", "a'b\"c", "[1, 2]",
    '{"a": [1, {"b": null}]}', "true", "null", "-0", "007", "0x10",
    "1_000", "1.5", "60s", "x" * 5000, "a=b", "%s%n", "s3://b/k", "hf_" + "a" * 20,
    "[" * 400 + "]" * 400, "{" * 1500, "[" * 990 + "]" * 990, "[" * 600 + "]" * 600,
    "127.0.0.1", "::1", "::1%lo", "1;", "8080; daemon on", "text/csv; charset=x",
    "pkg.mod:fn", "\ufeff1", "\u2028", "a\u0301", "File", "Pipe", "algo-1", "json", "DEBUG", "0", "1",
    "4", "1e3", "inf", "specification.json",
]  # fmt: skip
NUMBERS = [0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan")]
_ODD_VALUES: list[Any] = [*ODD, 10**400, -1, 0.5, float("inf"), None, True, ["x"], [[]], [{}], {"x": "y"}]
CONFIG = "input/config"
SPECIFICATION = "code/specification"
_NAMES = {
    f"{CONFIG}/hyperparameters": [
        "lr", "epochs", "sagemaker_program", "sagemaker_submit_directory", "sagemaker_job_name",
        "sagemaker_region", "sagemaker_container_log_level", "sagemaker_mpi_enabled", "sagemaker_s3_output",
        "sagemaker_distribution_instance_groups", "_tuning_objective_metric", "default_user_module_name",
        "password", "SM_MODEL_DIR", "PATH",
    ],
    f"{CONFIG}/inputdataconfig": [
        "training", "validation", "TrainingInputMode", "ContentType", "RecordWrapperType",
    ],
    f"{CONFIG}/resourceconfig": [
        "current_host", "hosts", "network_interface_name", "current_instance_type", "current_group_name",
        "instance_groups", "instance_group_name", "instance_type", "topology",
    ],
    f"{CONFIG}/checkpointconfig": ["LocalPath", "S3Uri"],
    f"{CONFIG}/trainingjobconfig": ["TrainingJobName"],
    SPECIFICATION: [
        "SupportedHyperParameters", "TrainingChannels", "SupportsDistributedTraining", "Name", "Type",
        "Range", "DefaultValue", "IsRequired", "IntegerParameterRangeSpecification", "MinValue", "MaxValue",
        "CategoricalParameterRangeSpecification", "Values", "SupportedInputModes", "SupportedContentTypes",
    ],
    "config/processingjobconfig": ["ProcessingInputs", "InputName"],
    "config/resourceconfig": ["current_host", "hosts"],
}  # fmt: skip
_INTEGER = {
    "Name": "lr",
    "Type": "Integer",
    "DefaultValue": "1",
    "Range": {"IntegerParameterRangeSpecification": {"MinValue": "0", "MaxValue": "9"}},
}
_CATEGORICAL = {
    "Name": "epochs",
    "Type": "Categorical",
    "Range": {"CategoricalParameterRangeSpecification": {"Values": ["1", "2"]}},
}
_RIGHT: dict[str, Any] = {
    f"{CONFIG}/hyperparameters": {"sagemaker_program": "train.py"},
    f"{CONFIG}/inputdataconfig": {"training": {"TrainingInputMode": "File"}},
    f"{CONFIG}/resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]},
    SPECIFICATION: {
        "SupportedHyperParameters": [_INTEGER, _CATEGORICAL],
        "TrainingChannels": [{"Name": "training", "SupportedInputModes": ["File", "Pipe"]}],
    },
    "config/processingjobconfig": {"ProcessingInputs": [{"InputName": "raw"}]},
    "config/resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
}
_WORDS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\u0000",
    b"\\ud800",
    b"\0",
    b"\xff",
    b"NaN",
    b"1e999",
    b"-",
    b"null",
]


def _names_of(variables: Any) -> set[str]:
    return {name for variable in variables for name in (variable.name, *variable.aliases)}


_TRAIN, _SERVE = _names_of(train_variables.ALL), _names_of(serve_variables.ALL)
VARIABLES = sorted((_TRAIN | _SERVE) - {BASE_DIR})
_SPECIFIED = {train_variables.SPECIFICATION.name: "specification.json"}


class Job(NamedTuple):
    """A tree, the variables that go with it, and the command that reads both."""

    command: str
    files: dict[str, bytes]
    """By their paths below the base, without ".json"."""
    environ: dict[str, str]


def right_files() -> dict[str, bytes]:
    """Return the files of a job with which nothing is wrong."""
    return {name: json.dumps(value).encode() for name, value in _RIGHT.items()}


def odd_jobs() -> Iterator[Job]:
    """Yield jobs that are right but for one variable, or one value at any place of a file."""
    files = right_files()
    for command, names in {
        "train": _TRAIN | {BASE_DIR},
        "serve": _SERVE | {BASE_DIR},
        "process": _TRAIN,
    }.items():
        for name in sorted(names):
            for text in ODD:
                yield Job(command, files, {name: _of_environ(text)})
    for name, right in _RIGHT.items():
        command = "process" if name.startswith("config/") else "train"
        environ = _SPECIFIED if name == SPECIFICATION else {}
        for value in _with_odd_values(right, _NAMES[name]):
            yield Job(command, {**files, name: json.dumps(value).encode()}, environ)


def _with_odd_values(right: Any, names: list[str] = []) -> Iterator[Any]:  # noqa: B006 - never changed
    """Yield a JSON value with each odd one in the place of each part of it, and of each name in `names`."""
    yield from _ODD_VALUES
    if isinstance(right, dict):
        for name in dict.fromkeys([*right, *names]):
            yield from ({**right, name: odd} for odd in _with_odd_values(right.get(name)))
    elif isinstance(right, list):
        for number, item in enumerate(right):
            yield from ([*right[:number], odd, *right[number + 1 :]] for odd in _with_odd_values(item))


def make_value(chance: random.Random, names: list[str], depth: int = 3) -> Any:
    """Return a JSON value."""
    kind = chance.randrange(8 if depth else 5)
    if kind <= 2:
        return chance.choice(TEXTS)
    if kind == 3:
        return chance.choice(NUMBERS)
    if kind == 4:
        return chance.choice([True, False, None])
    if kind == 5:
        return [make_value(chance, names, depth - 1) for _ in range(chance.randrange(4))]
    return make_object(chance, names, depth - 1)


def make_object(chance: random.Random, names: list[str], depth: int = 3) -> dict[str, Any]:
    """Return a JSON object whose names are known ones, and others."""
    return {
        chance.choice(names if chance.random() < 0.7 else TEXTS): make_value(chance, names, depth)
        for _ in range(chance.randrange(5))
    }


def make_files(chance: random.Random) -> dict[str, bytes]:
    """Return the configuration files of a job, by name."""
    return {name: _make_file(chance, name) for name in _NAMES if chance.random() < 0.6}


def make_environ(chance: random.Random) -> dict[str, str]:
    """Return variables."""
    environ = {
        chance.choice(VARIABLES): _of_environ(chance.choice(TEXTS))
        for _ in range(chance.choice([0, 0, 1, 1, 2, 5]))
    }
    return {**(_SPECIFIED if chance.random() < 0.2 else {}), **environ}


def _of_environ(text: str) -> str:
    """Return a text that a process can have: without a NUL, and with a byte in place of half a pair."""
    return text.replace("\0", "").replace("\ud800", "\udcff")


def _make_file(chance: random.Random, name: str) -> bytes:
    value = dict(_RIGHT.get(name, {})) if chance.random() < 0.6 else {}
    value |= make_object(chance, _NAMES[name])
    encoding = chance.choice(["utf-8"] * 30 + ["utf-16", "utf-8-sig"])
    text = json.dumps(value, ensure_ascii=chance.random() < 0.8).encode(encoding, "replace")
    return mutated(text, chance, _WORDS) if chance.random() < 0.25 else text
