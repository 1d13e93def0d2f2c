"""Tests that what the page of the API says is so."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlberth_local
from mlberth_local.api import registry
from mlberth_local.api.forms.models import service_model

ROOT = Path(mlberth_local.__file__).parent
# Read by the server, for every operation: the body's length, its checksums, the sign that it is a test.
BY_THE_SERVER = {
    "Body",
    "ChecksumAlgorithm",
    "ChecksumCRC32",
    "ChecksumCRC32C",
    "ChecksumCRC64NVME",
    "ChecksumSHA1",
    "ChecksumSHA256",
    "ContentLength",
    "ContentMD5",
}
BY_THE_SERVER |= {"ChecksumMD5", "ChecksumSHA512"}
CONDITIONS = ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
IN_CODE = {prefix + name: "{prefix}" + name for prefix in ("", "CopySource") for name in CONDITIONS}
"""Parameters whose names are put together."""
OPERATIONS = [
    (service, operation)
    for service, table in registry.OPERATIONS.items()
    if service != "sagemaker"
    for operation in table
]


def sources(service: str) -> str:
    """Return the code of a service."""
    name = service.replace("-", "_")
    if service == "s3":
        paths = [*(ROOT / "s3").glob("*.py")]
    elif service == "sagemaker-runtime":
        paths = [ROOT / "sagemaker/async_invocations.py", *(ROOT / "asynchronous").glob("*.py")]
    else:
        every = (ROOT / "services").rglob("*.py")
        paths = [path for path in every if name in {path.stem, path.parent.name}]
    return "\n".join(path.read_text() for path in paths)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_a_parameter_that_is_not_carried_out_is_listed(service: str, operation: str) -> None:
    """Every other one is read by its name, so nothing is ignored without a word."""
    members = service_model(service).operation_model(operation).input_shape
    exceptions = registry.exceptions(service, operation)
    listed = {name.split(".")[0] for name in (*exceptions.without_effect, *exceptions.refused)}
    text = sources(service)
    ignored = {
        name
        for name in (members.members if members is not None else ())
        if name not in listed | BY_THE_SERVER and IN_CODE.get(name, f'"{name}"') not in text
    }
    if service == "s3":
        ignored = {name for name in ignored if not (name.startswith("Response") and "Response{name}" in text)}
    assert ignored == set()


@pytest.mark.parametrize("service", registry.OPERATIONS)
def test_exceptions_are_parameters(service: str) -> None:
    for operation, exceptions in registry.EXCEPTIONS[service].items():
        assert operation in registry.OPERATIONS[service]
        known = set(service_model(service).operation_model(operation).input_shape.members)
        unknown = {
            name
            for name in (*exceptions.without_effect, *exceptions.refused)
            if name.split(".")[0] not in known
        }
        # Some of S3's operations share a list.
        assert service == "s3" or unknown == set()
