"""The queue of asynchronous requests, with a real store and a container of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.local.gateway.servers import Received, Said, container
from tests.support import free_port, wait_until

from mlberth_local.asynchronous.inference import make
from mlberth_local.asynchronous.queue import AsyncQueue
from mlberth_local.endpoints.record import (
    KIND,
    READY,
    Deployment,
    EndpointState,
    Fleet,
    Instance,
    keep,
    state_of,
)
from mlberth_local.inputs.objects import FolderObjects
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics, Series
from mlberth_local.store.resources import Resource, Resources


class Queue:
    """A queue that runs, with the endpoint `e`."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.resources, self.metrics = Resources(database), Metrics(database)
        self.now = 1000.0
        self.bucket = folder / "s3/bucket"
        self.bucket.mkdir(parents=True)
        self.running = AsyncQueue(
            folder / "queue",
            self.resources,
            FolderObjects(folder / "s3"),
            self.metrics,
            clock=lambda: self.now,
            region="us-east-1",
            publish=lambda topic, subject, text: None,  # noqa: ARG005 - nobody listens
            endpoints=lambda: ["e"],
        )
        self.running.start()

    def serve(self, *instances: Instance) -> None:
        """Let the endpoint have these instances."""
        config = {"AsyncInferenceConfig": {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1}}}
        fleet = Fleet("v", {}, [{}], 1.0, len(instances), instances=list(instances))
        row = Resource(KIND, "e", "", 0.0, 0.0, "InService", {})
        keep(row, EndpointState([Deployment(1, "c", config, [fleet], share=1.0)]))
        self.resources.create(row)

    def ask(self, key: str) -> None:
        """Add a request."""
        config = {"OutputConfig": {"S3OutputPath": "s3://bucket/"}}
        inference = make({"EndpointName": "e"}, config, key=key, now=self.now)
        self.running.add(replace(inference, content_type="text/plain"), key.encode())

    def answer(self, key: str) -> bytes | None:
        """Return an answer; None if it is not there yet."""
        path = self.bucket / f"{key}.out"
        return path.read_bytes() if path.exists() else None

    @property
    def remembered(self) -> list[object]:
        """What the queue knows of instances and endpoints."""
        queue = self.running
        return [*list(queue._busy), *list(queue._avoided), *list(queue._waiting)]


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """Run a queue for one test."""
    with closing(Database(tmp_path / "db")) as database:
        found = Queue(tmp_path, database)
        yield found
        found.running.stop()


def test_names_are_forgotten(queue: Queue) -> None:
    """Once nothing waits, no instance and no endpoint is remembered; one that was gone is tried again."""
    with container(lambda request: Said(request.body.upper())) as one:
        queue.serve(Instance("gone", [free_port()], READY), Instance("i", [one.port], READY))
        for key in ("a", "b", "c"):
            queue.ask(key)
        wait_until(lambda: all(map(queue.answer, "abc")), timeout=60)
        assert [queue.answer(key) for key in "abc"] == [b"A", b"B", b"C"]
    queue.now += 60.0
    wait_until(lambda: not queue.remembered, timeout=60)
    assert not queue.running.is_busy("i")


def test_a_sick_instance_gets_nothing(queue: Queue) -> None:
    """Until it is well again; one that has a request is busy."""
    queue.serve(Instance("i", [0], READY, problem="It hangs"))
    busy: list[bool] = []

    def look(request: Received) -> Said:
        busy.append(queue.running.is_busy("i"))
        return Said(request.body)

    with container(look) as one:
        queue.ask("a")
        backlog = Series("AWS/SageMaker", "HasBacklogWithoutCapacity", {"EndpointName": "e"})

        def is_waiting() -> bool:
            queue.now += 10.0
            periods = queue.metrics.periods(backlog, 0, 1e12, 1e12)
            return any(period.statistic("Maximum") == 1.0 for period in periods)

        wait_until(is_waiting, timeout=60)
        with queue.resources.changing(KIND, "e") as row:
            state = state_of(row)
            [(_, instance)] = state.instances()
            instance.ports, instance.problem = [one.port], ""
            keep(row, state)
        wait_until(lambda: queue.answer("a") == b"a", timeout=60)
    assert busy == [True]
