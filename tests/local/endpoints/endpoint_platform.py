"""A platform without its API and its gateway, for tests of endpoints."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from mlberth_local import log_files
from mlberth_local.endpoints.context import EndpointContext, Seconds
from mlberth_local.endpoints.endpoints import Endpoints
from mlberth_local.endpoints.instances import log_group, run_name
from mlberth_local.endpoints.record import KIND, EndpointState, state_of
from mlberth_local.gateway.table import Instance, Table
from mlberth_local.jobs.opening import open_jobs
from mlberth_local.platform import Platform, Settings
from mlberth_local.sagemaker import endpoint_configs, endpoints, models
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources

BUCKET = "bucket"
ENVIRONMENT = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", "SAGEMAKER_USE_NGINX": "false"}
HANDLER = """
import os
NAME = os.environ.get("NAME", "")

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, model):
    return f"{NAME}<{text}>"

def output_fn(prediction, accept):
    return prediction, "text/csv"
"""


class Recorder:
    """A gateway that keeps the tables that it is given, and drains at once unless it is told not to."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.busy = False

    def apply(self, table: Table) -> None:
        """Keep a table."""
        self.tables.append(table)

    def drained(self, instances: Collection[Instance], seconds: float) -> bool:  # noqa: ARG002 - as Gateway
        """Return whether requests are over; an instance that is asked for must not be in the table."""
        there = {
            one for end in self.tables[-1].endpoints for variant in end.variants for one in ports(variant)
        }
        assert not there & {port for instance in instances for port in instance.ports}
        return not self.busy

    def stop(self, seconds: float) -> None:
        """Do nothing."""


def ports(variant: Any) -> list[int]:
    """Return the ports of a variant of a table."""
    return [port for fleet in variant.fleets for one in fleet.instances for port in one.ports]


class EndpointPlatform:
    """The endpoints of a home, with a bucket and a model's archive."""

    def __init__(
        self,
        home: Path,
        *,
        engine: str = "process",
        image: str = "image",
        resources: Callable[[Database], Resources] = Resources,
        environ: Mapping[str, str] | None = None,
        **seconds: float,
    ) -> None:
        self.home = home
        self.image = image
        settings = Settings(engine=engine, environ={**os.environ, "MLBERTH_CPUS": "4", **(environ or {})})
        self._database = Database(home / "db")
        platform = Platform(home, settings)
        self.metrics = Metrics(self._database)
        jobs = open_jobs(platform, resources(self._database), self.metrics, host_environ={})
        self.gateway = Recorder()
        context = EndpointContext(
            jobs.context,
            self.gateway,
            platform.arn("logs", "log-group:"),
            Seconds(**{"look": 0.05, **seconds}),
        )
        self.endpoints = Endpoints(context)
        self.platform = replace(platform, jobs=jobs, endpoints=self.endpoints)
        self.bucket = home / "s3" / BUCKET
        self.bucket.mkdir(parents=True, exist_ok=True)
        self.endpoints.start()

    def close(self) -> None:
        """End all instances, and see that nothing is left of them."""
        engine = self.endpoints.context.parts.engine
        assert self.endpoints.stop_all(10)
        assert engine.names() == set()
        assert list((self.home / "runs").glob("*")) == []
        engine.close()
        self._database.close()

    def model(self, name: str, handler: str = HANDLER, **environ: str) -> dict[str, Any]:
        """Make a model with one container; returns the container."""
        container = self.container(name, handler, **environ)
        models.create_model(self.platform, {"ModelName": name, "PrimaryContainer": container})
        return container

    def container(self, name: str, handler: str = HANDLER, **environ: str) -> dict[str, Any]:
        """Return a container with a handler."""
        code, archive = self.home / f"{name}.py", self.bucket / f"{name}.tar.gz"
        code.write_text(handler)
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(code, "code/inference.py")
        return {
            "Image": self.image,
            "ModelDataUrl": f"s3://{BUCKET}/{archive.name}",
            "Environment": {**ENVIRONMENT, "NAME": name, **environ},
        }

    def config(self, name: str, *models: str, count: int = 1, **members: Any) -> None:
        """Make a configuration with a variant for each model; `members` are those of the variants."""
        variants = [
            {"VariantName": f"v-{model}", "ModelName": model, "InitialInstanceCount": count}
            | {"InstanceType": "ml.m5.large", **members}
            for model in models
        ]
        request = {"EndpointConfigName": name, "ProductionVariants": variants}
        endpoint_configs.create_endpoint_config(self.platform, request)

    def create(self, name: str, config: str, *, wait: bool = True) -> dict[str, Any]:
        """Create an endpoint; returns its description, at rest."""
        endpoints.create_endpoint(self.platform, {"EndpointName": name, "EndpointConfigName": config})
        return self.settle(name) if wait else self.describe(name)

    def update(self, name: str, config: str, *, wait: bool = True, **members: Any) -> dict[str, Any]:
        """Update an endpoint; returns its description, at rest."""
        request = {"EndpointName": name, "EndpointConfigName": config, **members}
        endpoints.update_endpoint(self.platform, request)
        return self.settle(name) if wait else self.describe(name)

    def delete(self, name: str) -> None:
        """Delete an endpoint, and wait until it is gone."""
        endpoints.delete_endpoint(self.platform, {"EndpointName": name})
        assert self.endpoints.join(60)

    def settle(self, name: str) -> dict[str, Any]:
        """Return an endpoint's description when nothing has to be done for it."""
        assert self.endpoints.join(60)
        return self.describe(name)

    def describe(self, name: str) -> dict[str, Any]:
        """Return what DescribeEndpoint answers."""
        return endpoints.describe_endpoint(self.platform, {"EndpointName": name})

    def state(self, name: str) -> EndpointState:
        """Return an endpoint's record."""
        return state_of(self.endpoints.context.parts.resources.get(KIND, name))

    def ports(self, name: str) -> list[int]:
        """Return the ports at which an endpoint's requests would arrive, by the last table."""
        table = self.gateway.tables[-1] if self.gateway.tables else Table()
        found = [endpoint for endpoint in table.endpoints if endpoint.name == name]
        return [port for one in found for variant in one.variants for port in ports(variant)]

    def lines(self, name: str) -> dict[str, list[str]]:
        """Return the messages of an endpoint's streams."""
        folder, group = self.platform.log_folder, log_group(name)
        return {
            stream: [
                event.message for event in log_files.read_events(log_files.stream_file(folder, group, stream))
            ]
            for stream in log_files.streams(folder, group)
        }

    def kill(self, name: str) -> None:
        """Kill the programs of an endpoint's first instance."""
        _, instance = next(self.state(name).instances())
        self.endpoints.context.parts.engine.kill(run_name(name, instance.name, 1))


def invoke(port: int, body: str) -> str:
    """Return a container's answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": "text/csv"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def runs(port: int) -> bool:
    """Return whether something answers at a port."""
    try:
        invoke(port, "x")
    except OSError:
        return False
    return True
