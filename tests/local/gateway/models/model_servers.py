"""Multi-model containers of tests, and the archives that their models come from."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.local.gateway.platform import GatewayPlatform, endpoint, gateway_platform, variant
from tests.local.gateway.servers import Container, Received, Said, container

from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.table import Instance, ModelStore

SIZE = 1000
"""Of a model's file, in bytes."""


@dataclass
class ModelServer:
    """A container that has room for so many models; it answers with the model's name and what it was sent."""

    most: int = 100
    loaded: dict[str, str] = field(default_factory=dict)
    """The target of each model by its name."""
    loads: list[str] = field(default_factory=list)
    unloads: list[str] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """What may never happen: a model is unloaded under a request."""
    go_on: threading.Event = field(default_factory=threading.Event)
    """What loads and predictions wait for."""
    refuses: dict[str, Said] = field(default_factory=dict)
    """What is answered to the load of some targets."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.go_on.set()

    def __call__(self, request: Received) -> Said:
        """Answer a request."""
        _, _, name, *invoke = (*request.path.split("?")[0].split("/"), "")
        if request.method == "GET":
            return self._show(name)
        if request.method == "DELETE":
            return self._unload(name)
        return self._invoke(name, request.body) if invoke[:1] == ["invoke"] else self._load(request.body)

    def _show(self, name: str) -> Said:
        with self.lock:
            if name:
                return Said(b"{}", 200 if name in self.loaded else 404)
            listed = [{"modelName": one, "modelUrl": "x"} for one in self.loaded]
            return Said(json.dumps({"models": listed}).encode())

    def _load(self, body: bytes) -> Said:
        fields = json.loads(body)
        target = Path(fields["url"], "target").read_text().strip()
        self.go_on.wait(60)
        with self.lock:
            self.loads.append(target)
            if target in self.refuses:
                return self.refuses[target]
            if fields["model_name"] in self.loaded:
                return Said(b"", 409)
            if len(self.loaded) >= self.most:
                return Said(b"no memory", 507)
            self.loaded[fields["model_name"]] = target
        return Said(b"{}")

    def _unload(self, name: str) -> Said:
        with self.lock:
            target = self.loaded.pop(name, None)
            if target is None:
                return Said(b"", 404)
            self.unloads.append(target)
            if self.busy[name]:
                self.faults.append(f"{target} was unloaded with {self.busy[name]} requests")
        return Said(b"{}")

    def _invoke(self, name: str, body: bytes) -> Said:
        with self.lock:
            target = self.loaded.get(name)
            self.busy[name] += 1
        try:
            self.go_on.wait(60)
            return Said(b"not loaded", 404) if target is None else Said(target.encode() + b":" + body)
        finally:
            with self.lock:
                self.busy[name] -= 1


@dataclass
class Archives:
    """The archives below a prefix, and the instances' folders that they are unpacked into."""

    folders: dict[str, Path] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    most: int = 100
    """So many have room on the disk of an instance."""
    fetched: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Unpack an archive, as the daemon does."""
        target = wanted["target"]
        if target in self.missing:
            return {"error": ["ValidationError", f"Failed to download model data ({target})", 400]}
        folder = self.folders[wanted["instance"]] / wanted["name"] / "model"
        with self.lock:
            beside = [one for one in folder.parent.parent.glob("*/model") if one != folder]
            if len(beside) >= self.most:
                return {"full": True}
            if not folder.is_dir():  # on a busy machine the gateway asks once more before it is here
                self.fetched.append(target)
                folder.mkdir(parents=True)
                (folder / "target").write_text(target.ljust(SIZE))
        return {"bytes": SIZE}


@dataclass
class ManyModels:
    """A platform with a multi-model endpoint "e"."""

    platform: GatewayPlatform
    archives: Archives
    servers: list[ModelServer]
    containers: list[Container]
    instances: list[Instance]

    def serve(self, *places: int) -> None:
        """Let these instances alone get requests."""
        chosen = [self.instances[place] for place in places]
        self.platform.serve(endpoint(variant(*chosen, multi_model=True)))

    def store(self, place: int) -> ModelStore:
        """Return where an instance has its models."""
        found = self.instances[place].models
        assert found
        return found

    def ask(self, target: str, body: bytes = b"1", **request: Any) -> str:
        """Return a model's answer."""
        given = {"EndpointName": "e", "Body": body, "TargetModel": target, **request}
        found: str = self.platform.runtime.invoke_endpoint(**given)["Body"].read().decode()
        return found

    def shown(self, place: int = 0) -> list[str]:
        """Return the targets that an instance has loaded."""
        return sorted(self.servers[place].loaded.values())


@contextmanager
def many_models(
    home: Path, *servers: ModelServer, limits: Limits | None = None, caches: bool = True
) -> Iterator[ManyModels]:
    """Serve an endpoint with an instance for each server."""
    archives = Archives()
    with ExitStack() as stack:
        platform = stack.enter_context(gateway_platform(home, limits, archives.fetch))
        containers = [stack.enter_context(container(server)) for server in servers]
        instances = []
        for place, one in enumerate(containers):
            folder = archives.folders[f"i-{place}"] = home / "runs" / str(place) / "models"
            store = ModelStore(0, str(folder), str(folder), caches)
            instances.append(Instance(f"i-{place}", (one.port,), store))
        found = ManyModels(platform, archives, list(servers), containers, instances)
        found.serve(*range(len(servers)))
        yield found
