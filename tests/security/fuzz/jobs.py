"""Trees of training jobs and environments made by chance: right in places, odd and wrong in others."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.security.fuzz.fuzzing import mutated

from mlberth_serve import variables as serve_variables
from mlberth_train import variables as train_variables

TEXTS = [
    "", " ", "x", "train.py", "../train.py", "/etc/passwd", "..", ".", "a/b", "a\nb", "a\0b", "\x1b[31m",
    "-c", "--help", "é", "\U0001f600", "\ud800", "$(id)", "; rm -rf /", "a'b\"c", "{}", "[1, 2]",
    '{"a": [1, {"b": null}]}', "true", "null", "NaN", "1e400", "-0", "007", "1" * 5000, "9" * 400, "0x10",
    "1_000", "\uff11", "1.5", "60s", "x" * 300, "x" * 5000, "a=b", "%s%n", "s3://b/k", "hf_" + "a" * 20,
    "[" * 2000, "[" * 400 + "]" * 400, "{" * 1500, "[" * 990 + "]" * 990, "[" * 600 + "]" * 600,
    "[" * 150 + "]" * 150, "127.0.0.1", "::1", "::1%lo", "1;", "8080; daemon on", "text/csv; charset=x",
    "pkg.mod:fn", "\ufeff1", "\u2028", "a\u0301", "File", "Pipe", "algo-1", "json", "DEBUG", "-1", "0", "1",
    "4", "1e3", "inf",
]  # fmt: skip
NUMBERS = [0, 1, -1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan")]
_NAMES = {
    "hyperparameters": [
        "lr", "epochs", "sagemaker_program", "sagemaker_submit_directory", "sagemaker_job_name",
        "sagemaker_region", "sagemaker_container_log_level", "sagemaker_mpi_enabled",
        "sagemaker_distribution_instance_groups", "_tuning_objective_metric", "default_user_module_name",
        "password", "SM_MODEL_DIR", "PATH",
    ],
    "inputdataconfig": ["training", "validation", "TrainingInputMode", "ContentType", "RecordWrapperType"],
    "resourceconfig": [
        "current_host", "hosts", "network_interface_name", "current_instance_type", "current_group_name",
        "instance_groups", "instance_group_name", "instance_type", "topology",
    ],
    "checkpointconfig": ["LocalPath", "S3Uri"],
    "trainingjobconfig": ["TrainingJobName"],
}  # fmt: skip
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
VARIABLES = sorted(
    {
        name
        for variable in (*train_variables.ALL, *serve_variables.ALL)
        for name in (variable.name, *variable.aliases)
    }
    - {"SAGEMAKER_BASE_DIR"}
)


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
    """Return variables; no process can have a NUL or half of a surrogate pair in one."""
    odd = (chance.choice(TEXTS).replace("\0", "").replace("\ud800", "\udcff") for _ in range(100))
    return {chance.choice(VARIABLES): next(odd) for _ in range(chance.choice([0, 0, 1, 1, 2, 5]))}


def _make_file(chance: random.Random, name: str) -> bytes:
    values: dict[str, Callable[[], Any]] = {
        "resourceconfig": lambda: {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]},
        "inputdataconfig": lambda: {"training": {"TrainingInputMode": "File"}},
        "hyperparameters": lambda: {"sagemaker_program": "train.py"},
    }
    value = values.get(name, dict)() if chance.random() < 0.6 else {}
    value |= make_object(chance, _NAMES[name])
    encoding = chance.choice(["utf-8"] * 30 + ["utf-16", "utf-8-sig"])
    text = json.dumps(value, ensure_ascii=chance.random() < 0.8).encode(encoding, "replace")
    return mutated(text, chance, _WORDS) if chance.random() < 0.25 else text
