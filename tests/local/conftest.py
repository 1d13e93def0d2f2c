"""A platform's API that answers in this process, and clients of it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.local.jobs.job_platform import JobPlatform
from tests.local.scaling.scaling_home import VariantsInMemory

from mlberth_local.alarms.alarms import Alarms
from mlberth_local.alarms.messages import Transition
from mlberth_local.api.server import ApiServer
from mlberth_local.platform import Platform, Settings
from mlberth_local.scaling.scaling import Scaling
from mlberth_local.store.database import Database
from mlberth_local.store.events import Events
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources
from mlberth_local.topics.topics import Topics

SECRET = "a secret that the platform knows"
"""Of the key CHECKED."""


@dataclass
class Clock:
    """The machine's clock, or one that is some seconds ahead."""

    ahead: float = 0.0

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self.ahead


@dataclass(frozen=True)
class Front:
    """A running API and its platform."""

    platform: Platform
    clock: Clock
    actions: list[tuple[str, Transition]]
    """What alarms have done."""

    @property
    def variants(self) -> Any:
        """What is scaled: a `VariantsInMemory`."""
        return self.platform.scaling.variants

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.platform.settings.port}"

    def client(self, service: str, *, key: str = "any", secret: str = "any", **config: Any) -> Any:
        """Return a boto3 client; `config` is botocore's."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.platform.region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Answer for the tests of a file, with a home of their own."""
    home: Path = tmp_path_factory.mktemp("home")
    listening = socket.create_server(("127.0.0.1", 0))
    settings = Settings(port=listening.getsockname()[1], keys={"CHECKED": SECRET})
    database = Database(home / "mlberth.sqlite")
    clock = Clock()
    platform = Platform(home, settings, clock, metrics=Metrics(database))
    resources = Resources(database)
    topics = Topics(
        home / "sns",
        resources,
        clock=clock,
        arn=platform.arn,
        endpoint=f"http://127.0.0.1:{settings.port}",
    )
    actions: list[tuple[str, Transition]] = []
    alarms = Alarms(
        resources,
        platform.metrics,
        Events(database),
        clock=clock,
        arn=platform.arn,
        act=lambda arn, transition: actions.append((arn, transition)),
    )
    scaling = Scaling(
        resources,
        alarms,
        Events(database),
        VariantsInMemory(1),
        clock=clock,
        arn=platform.arn,
        minute=60.0,
    )
    platform = replace(platform, alarms=alarms, topics=topics, scaling=scaling)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = ApiServer(platform)
    asyncio.run_coroutine_threadsafe(server.start([listening]), loop).result(10)
    try:
        topics.sender.start()
        yield Front(platform, clock, actions)
    finally:
        topics.sender.stop()
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        listening.close()
        database.close()


@pytest.fixture(scope="module")
def s3(front: Front) -> Any:
    """Return a client of S3."""
    return front.client("s3")


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """Make a bucket of the test's own."""
    name = request.node.name.replace("_", "-").replace("[", "-").lower()[:50].strip("-]")
    name = "".join(character for character in name if character.isalnum() or character == "-").strip("-")
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobPlatform]:
    """Return a platform with plain processes and no API; nothing is left of its jobs at the end."""
    with closing(JobPlatform(tmp_path / "home")) as platform:
        yield platform
