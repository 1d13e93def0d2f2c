"""Archives that are brought to the instances of multi-model endpoints."""

from __future__ import annotations

import errno
import shutil
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.local.endpoints.endpoint_platform import Recorder
from tests.local.jobs.job_platform import BUCKET, JobPlatform

from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.endpoints.model_fetches import ModelFetches
from mlberth_local.endpoints.record import KIND, Deployment, EndpointState, Fleet, Instance, keep
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import FolderObjects, Object
from mlberth_local.store.resources import Resource

CONTENT = b"weights"


class Gate(FolderObjects):
    """Buckets that find an object when they may, or fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.go_on = threading.Event()
        self.found = 0
        self.failure: Exception | None = None

    def find(self, address: str) -> Object:
        """Return one object."""
        self.found += 1
        assert self.go_on.wait(60)
        if self.failure:
            raise self.failure
        return super().find(address)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobPlatform]:
    """Return a platform with the endpoint `e`, which has the instance `i`, and an archive."""
    with closing(JobPlatform(tmp_path / "home")) as found:
        many = {"Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/many"}
        fleet = Fleet("v", {}, [{}, many], 1.0, 1, instances=[Instance("i", [1, 2])])
        endpoint = Resource(KIND, "e", "arn", 0, 0, "InService", {})
        keep(endpoint, EndpointState([Deployment(1, "c", {}, [fleet], share=1.0)]))
        found.jobs.context.resources.create(endpoint)
        (found.bucket / "many").mkdir()
        (tmp_path / "model.bin").write_bytes(CONTENT)
        with tarfile.open(found.bucket / "many" / "a.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "model.bin", "deep/model.bin")
        yield found
        shutil.rmtree(found.jobs.context.runs, ignore_errors=True)


def fetches(jobs: JobPlatform, **members: Any) -> ModelFetches:
    """Return what brings archives, with other parts of the platform."""
    return ModelFetches(EndpointContext(replace(jobs.jobs.context, **members), Recorder(), "arn:"))


def wanted(target: str = "a.tar.gz", **members: str) -> dict[str, str]:
    """Return what the gateway asks for."""
    return {"endpoint": "e", "instance": "i", "target": target, "name": "hash", **members}


def test_an_archive(jobs: JobPlatform) -> None:
    """It is unpacked into the folder of the container that has the models, and not a second time."""
    bringing = fetches(jobs)
    assert bringing.fetch(wanted()) == {"bytes": len(CONTENT)}
    folder = jobs.jobs.context.runs / "endpoint.e.i.2" / "models" / "hash" / "model"
    assert (folder / "deep" / "model.bin").read_bytes() == CONTENT
    (jobs.bucket / "many" / "a.tar.gz").unlink()
    assert bringing.fetch(wanted()) == {"bytes": len(CONTENT)}


def test_one_that_is_on_its_way(jobs: JobPlatform) -> None:
    """It is brought once, however often the gateway asks for it meanwhile."""
    objects = Gate(jobs.home / "s3")
    bringing = fetches(jobs, objects=objects)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bringing.fetch, wanted())
        while not objects.found:
            assert not first.done()
        assert bringing.fetch(wanted()) is None
        objects.go_on.set()
        assert first.result(60) == {"bytes": len(CONTENT)}
    assert objects.found == 1


def test_what_cannot_be_brought(jobs: JobPlatform) -> None:
    """The gateway is told in the platform's words, or that there is no room; no path of this machine is."""
    objects = Gate(jobs.home / "s3")
    objects.go_on.set()
    bringing = fetches(jobs, objects=objects)

    def said(target: str = "a.tar.gz", **members: str) -> Any:
        found = bringing.fetch(wanted(target, **members))
        assert found
        assert str(jobs.home) not in str(found)
        return found.get("error", found)

    assert said("none.tar.gz")[0] == "ValidationError"
    assert said("none.tar.gz")[1].startswith(
        f"Failed to download model data(bucket: {BUCKET}, key: many/none.tar.gz). Please ensure that"
    )
    jobs.put("many/bad.tar.gz", "no archive, whatever its name says")
    assert said("bad.tar.gz")[0] == "ValidationError"
    assert (
        "Please ensure that the object located at the URL is a valid tar.gz archive" in said("bad.tar.gz")[1]
    )
    for members in ({"instance": "gone"}, {"endpoint": "gone"}):
        assert said(**members)[::2] == ["ServiceUnavailable", 503]
    objects.failure = OSError(errno.ENOSPC, "No space left on device")
    assert said() == {"full": True}
    objects.failure = OSError(errno.EIO, "Input/output error")
    assert said() == [
        "InternalFailure",
        f"The archive s3://{BUCKET}/many/a.tar.gz cannot be unpacked: Input/output error.",
        500,
    ]
    objects.failure = ServiceError("ServiceUnavailable", "The other S3 does not answer", 503)
    assert said() == ["ServiceUnavailable", "The other S3 does not answer", 503]
