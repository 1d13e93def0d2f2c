"""The parts of a platform, opened for a home."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fcntl import ioctl
from functools import partial

from mlberth_local.alarms.alarms import Alarms
from mlberth_local.alarms.evaluator import Evaluator
from mlberth_local.asynchronous.queue import AsyncQueue
from mlberth_local.daemon import alarm_actions
from mlberth_local.daemon.home import CONTAINER_KEY, Home
from mlberth_local.daemon.upkeep import Upkeep
from mlberth_local.endpoints.context import EndpointContext, NoGateway, Seconds
from mlberth_local.endpoints.endpoints import Endpoints
from mlberth_local.endpoints.utilization import Utilization
from mlberth_local.gateway.client import GatewayClient
from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.limits import ping_seconds
from mlberth_local.images import local_image
from mlberth_local.jobs.opening import open_jobs
from mlberth_local.platform import Platform, Settings
from mlberth_local.recommendations.context import RecommendationContext, read_times
from mlberth_local.recommendations.recommender import Recommender
from mlberth_local.s3.buckets import remove_leftovers
from mlberth_local.scaling.endpoint_variants import EndpointVariants
from mlberth_local.scaling.minute import minute_seconds
from mlberth_local.scaling.scaler import Scaler
from mlberth_local.scaling.scaling import Scaling
from mlberth_local.store.database import Database
from mlberth_local.store.events import Events
from mlberth_local.store.metric_rollup import roll_up
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources
from mlberth_local.topics.topics import Topics, publish

_LOG = logging.getLogger("mlberth.daemon")

ENDPOINT_SECONDS = 15.0
"""For the instances of endpoints, from SIGTERM to SIGKILL, when the daemon ends."""
_UNHEALTHY_PINGS = 12
"""An instance that fails its health checks for so many times as long as it is between two is replaced."""
_GET_ADDRESS = 0x8915
"""SIOCGIFADDR of Linux."""


@dataclass(frozen=True)
class Parts:
    """A platform, and what must be closed after it."""

    platform: Platform
    database: Database
    evaluator: Evaluator
    scaler: Scaler
    upkeep: Upkeep
    utilization: Upkeep

    def start(self) -> None:
        """Send messages, judge alarms, scale, measure, and keep the store small from now on."""
        self.platform.topics.sender.start()
        self.evaluator.start()
        self.scaler.start()
        self.upkeep.start()
        self.utilization.start()
        self.platform.asynchronous.start()

    def close(self, seconds: float) -> None:
        """End what runs, with `seconds` for the programs of jobs, and close the store."""
        self.upkeep.stop()
        self.utilization.stop()
        self.platform.asynchronous.stop()
        self.scaler.stop()
        self.evaluator.stop()
        self.platform.topics.sender.stop()
        # Its instances are endpoints, which go on working until they are gone.
        if not self.platform.recommender.stop_all(seconds):
            _LOG.warning("a recommendations job has not ended; the next `mlberth up` ends it")
        with ThreadPoolExecutor(1) as other:
            served = other.submit(self.platform.endpoints.stop_all, ENDPOINT_SECONDS)
            self._stop_jobs(seconds)
        if not served.result():
            _LOG.warning("some endpoints have not ended; the next `mlberth up` goes on with them")
        self.platform.jobs.context.close()
        self.database.close()

    def _stop_jobs(self, seconds: float) -> None:
        if not self.platform.jobs.stop_all(seconds):
            _LOG.warning("some jobs have not ended; the next `mlberth up` goes on with them")


def open_parts(home: Home, settings: Settings, gateway: GatewayClient | None = None) -> Parts:
    """Open the store and the engine of a home. Raises ValueError for a setting that is not valid."""
    remove_leftovers(home.folder / "s3")
    database = Database(home.folder / "mlberth.sqlite")
    metrics = Metrics(database)
    platform = Platform(home.folder, settings, metrics=metrics, gateway=gateway)
    resources = Resources(database)
    topics = Topics(
        home.folder / "sns",
        resources,
        clock=platform.clock,
        arn=platform.arn,
        endpoint=f"http://127.0.0.1:{settings.port}",
    )
    platform = replace(platform, topics=topics)
    events = Events(database)
    alarms = Alarms(
        resources,
        metrics,
        events,
        clock=platform.clock,
        arn=platform.arn,
        act=partial(alarm_actions.act, platform, resources),
    )
    jobs = open_jobs(
        platform,
        resources,
        metrics,
        host_environ=host_environ(home, settings),
        find_image=partial(local_image, home.folder),
    )
    log_arn = platform.arn("logs", "log-group:")
    context = EndpointContext(
        jobs.context,
        gateway or NoGateway(),
        log_arn,
        captured=Places(home.gateway).captured,
        is_firing=alarms.is_firing,
        seconds=Seconds(unhealthy=_UNHEALTHY_PINGS * ping_seconds(settings.environ)),
        is_busy=lambda instance: asynchronous.is_busy(instance),  # noqa: PLW0108 - it is made below
    )
    endpoints = Endpoints(context)
    scaling = Scaling(
        resources,
        alarms,
        events,
        EndpointVariants(resources, endpoints, clock=platform.clock),
        clock=platform.clock,
        arn=platform.arn,
        minute=minute_seconds(settings.environ),
    )
    asynchronous = AsyncQueue(
        home.folder / "asynchronous",
        resources,
        jobs.context.objects,
        metrics,
        clock=platform.clock,
        region=settings.region,
        publish=partial(publish, platform),
        endpoints=endpoints.asynchronous,
    )
    recommender = Recommender(
        RecommendationContext(
            endpoints,
            platform.arn,
            settings.environ,
            times=read_times(settings.environ),
        )
    )
    opened = replace(
        platform,
        jobs=jobs,
        endpoints=endpoints,
        alarms=alarms,
        scaling=scaling,
        asynchronous=asynchronous,
        recommender=recommender,
    )
    upkeep = Upkeep(lambda: roll_up(database, metrics, platform.clock()))
    utilization = Upkeep(
        Utilization(context, metrics).measure, pause_seconds=max(1.0, minute_seconds(settings.environ))
    )
    return Parts(opened, database, Evaluator(alarms), Scaler(scaling), upkeep, utilization)


def host_environ(home: Home, settings: Settings) -> dict[str, str]:
    """Return the variables by which the programs of jobs reach the platform, with a key of their own."""
    address = "host.docker.internal" if settings.engine == "docker" else "127.0.0.1"
    endpoint = f"http://{address}:{settings.port}"
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "S3_ENDPOINT_URL": endpoint,  # of other containers' toolkits
        "AWS_ACCESS_KEY_ID": CONTAINER_KEY,
        "AWS_SECRET_ACCESS_KEY": home.keys()[CONTAINER_KEY],
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def bridge_address(environ: Mapping[str, str]) -> str | None:
    """Return the address at which containers reach this machine: MLBERTH_BRIDGE_ADDRESS, or docker0's."""
    if given := environ.get("MLBERTH_BRIDGE_ADDRESS"):
        return given
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = ioctl(asking.fileno(), _GET_ADDRESS, struct.pack("256s", b"docker0"))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
