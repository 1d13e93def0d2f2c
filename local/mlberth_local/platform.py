"""A platform: its folder, its settings and the parts that operations work on; passed to each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACCOUNT = "000000000000"
ROLE = "mlberth"
"""The role that every platform has; the caller is a session of it."""


@dataclass(frozen=True)
class Settings:
    """The values that `mlberth up` was given."""

    port: int = 8500
    engine: str = "docker"
    """`docker` or `process`."""
    region: str = "us-east-1"
    s3_endpoint: str = ""
    """The address of another S3 that has the objects; "" if they are in this home."""
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Access key to secret. A request with one of them must be signed with its secret."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment of `mlberth up`, for variables of single parts (MLBERTH_…)."""


@dataclass(frozen=True)
class Platform:
    """A home folder and what works on it. Operations run in threads, several at once."""

    home: Path
    settings: Settings
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    metrics: Any = None
    """The `store.metrics.Metrics` of the same file."""
    jobs: Any = None
    """The `jobs.jobs.Jobs` of this home, and with them the record of resources."""
    topics: Any = None
    """The `topics.topics.Topics` of this home."""
    asynchronous: Any = None
    """The `asynchronous.queue.AsyncQueue` of this home."""
    endpoints: Any = None
    """The `endpoints.endpoints.Endpoints` of this home."""
    alarms: Any = None
    """The `alarms.alarms.Alarms` of this home."""
    gateway: Any = None
    """The `gateway.client.GatewayClient` of this home."""

    scaling: Any = None
    """The `scaling.scaling.Scaling` of this home."""

    recommender: Any = None
    """The `recommendations.recommender.Recommender` of this home."""

    caller: Any = None
    """The `identity.sessions.Session` of the request that is carried out; None if its key is not checked."""

    @property
    def account(self) -> str:
        """The account that every resource belongs to."""
        return ACCOUNT

    @property
    def region(self) -> str:
        """The region that ARNs name."""
        return self.settings.region

    @property
    def buckets(self) -> Path:
        """The folder of the buckets: the object KEY of BUCKET is the file BUCKET/KEY in it."""
        return self.home / "s3"

    @property
    def log_folder(self) -> Path:
        """The folder of the log groups; each stream is a file."""
        return self.home / "logs"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource: `arn("sagemaker", "training-job/a")`."""
        region = "" if service in {"iam", "sts", "s3"} else self.region
        return f"arn:aws:{service}:{region}:{self.account}:{resource}"
