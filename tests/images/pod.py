"""A pod of a manifest, run by Docker: a container of each of its containers, with what its fields say.

Not everything that a kubelet does: volumes are folders, a probe is one request, and nothing is restarted.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.images.engine import Container, Engine
from tests.kubernetes.rules import amount
from tests.support import free_port, wait_until

_REFERENCE = re.compile(r"\$\(([A-Z_][A-Z0-9_]*)\)")
Manifest = dict[str, Any]


@dataclass
class Pod:
    """A pod that is to be run, and the objects that it names."""

    engine: Engine
    manifest: Manifest
    """`{metadata, spec}`."""
    folder: Path
    """Where its volumes are."""
    images: Mapping[str, str]
    """The images of the tests, by the names in the manifest."""
    network: str
    name: str = "pod"
    domain: str = ""
    """That of its Service: other pods find it as NAME.DOMAIN."""
    index: str = ""
    """Its index in a Job with one."""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    injected: Mapping[str, str] = field(default_factory=dict)
    """What an operator sets in the containers of the pod."""
    port: int = 0
    """That of this machine which leads to the pod's first port, once it runs."""

    def run_init_containers(self) -> None:
        """Run them to their ends, one after the other."""
        for container in self.manifest["spec"].get("initContainers", ()):
            done = self._start(container, {})
            assert done.wait() == 0, done.logs()

    def start(self) -> Container:
        """Start the pod's one container."""
        (container,) = self.manifest["spec"]["containers"]
        return self._start(container, self.injected)

    def is_ready(self, probe: str = "readinessProbe") -> bool:
        """Whether the container passes one of its probes at this moment."""
        (container,) = self.manifest["spec"]["containers"]
        asked = container[probe]
        url = f"http://127.0.0.1:{self.port}{asked['httpGet']['path']}"
        try:
            with urllib.request.urlopen(url, timeout=asked["timeoutSeconds"]) as answer:
                return bool(200 <= answer.status < 400)
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self, running: Container) -> None:
        """Wait until it is ready, for as long as the startup probe has patience, and for a minute at most."""
        (container,) = self.manifest["spec"]["containers"]
        probe = container["startupProbe"]
        limit = min(60, probe["periodSeconds"] * probe["failureThreshold"])
        try:
            wait_until(lambda: self.is_ready("startupProbe"), timeout=limit)
        except AssertionError as error:
            raise AssertionError(running.logs()) from error
        assert self.is_ready()

    def stop(self, running: Container) -> int:
        """Stop it as a kubelet does: preStop, SIGTERM, and SIGKILL after the grace; returns the exit code."""
        spec = self.manifest["spec"]
        (container,) = spec["containers"]
        if hook := container.get("lifecycle", {}).get("preStop"):
            done = running.execute(*hook["exec"]["command"])
            assert done.returncode == 0, done.stderr
        grace = spec.get("terminationGracePeriodSeconds", 30)
        self.engine.command("stop", f"--time={grace}", running.name, timeout=grace + 30)
        return running.wait()

    def volume(self, name: str) -> Path:
        """Return the folder of a volume; an empty one is made with the rights that a kubelet gives it."""
        path = self.folder / name
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o777)
        return path

    def _start(self, container: Manifest, injected: Mapping[str, str]) -> Container:
        environ = {**self._environ(container), **injected}
        command = [self._expanded(word, environ) for word in container.get("command", ())]
        arguments = [self._expanded(word, environ) for word in container.get("args", ())]
        options = [*self._rights(container), *self._mounts(container), *self._network(container)]
        options += [f"--env={name}={self._expanded(value, environ)}" for name, value in environ.items()]
        if command:
            options += ["--entrypoint", command[0]]
        image = self.images[container["image"]]
        return self.engine.start(image, *command[1:], *arguments, options=options)

    def _environ(self, container: Manifest) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.secrets.get(source["secretRef"]["name"], {})
        for one in container.get("env", ()):
            found[one["name"]] = one["value"] if "value" in one else self._field(one["valueFrom"])
        # Of every container of a Job with indexes, by Kubernetes itself.
        return {**({"JOB_COMPLETION_INDEX": self.index} if self.index else {}), **found}

    def _field(self, source: Manifest) -> str:
        known = {
            "metadata.annotations['batch.kubernetes.io/job-completion-index']": self.index,
            "metadata.labels['job-name']": self.name,
            "metadata.name": self.name,
        }
        return known[source["fieldRef"]["fieldPath"]]

    @staticmethod
    def _expanded(text: str, environ: Mapping[str, str]) -> str:
        return _REFERENCE.sub(lambda found: environ.get(found[1], found[0]), text)

    def _rights(self, container: Manifest) -> list[str]:
        own = {**self.manifest["spec"].get("securityContext", {}), **container.get("securityContext", {})}
        options = []
        if "runAsUser" in own:
            options += ["--user", f"{own['runAsUser']}:{own.get('runAsGroup', own['runAsUser'])}"]
        if own.get("readOnlyRootFilesystem"):
            options += ["--read-only"]
        if own.get("allowPrivilegeEscalation") is False:
            options += ["--security-opt", "no-new-privileges"]
        for name in own.get("capabilities", {}).get("drop", ()):
            options += ["--cap-drop", name]
        limits = container.get("resources", {}).get("limits", {})
        if "memory" in limits:
            options += [f"--memory={int(amount(limits['memory']))}"]
        if "cpu" in limits:
            options += [f"--env=OMP_NUM_THREADS={int(amount(limits['cpu']))}"]  # no quotas in every sandbox
        return options

    def _mounts(self, container: Manifest) -> list[str]:
        volumes = {one["name"]: one for one in self.manifest["spec"].get("volumes", ())}
        options = []
        for mount in container.get("volumeMounts", ()):
            volume, target = volumes[mount["name"]], mount["mountPath"]
            mode = "ro" if mount.get("readOnly") else "rw"
            if volume.get("emptyDir", {}).get("medium") == "Memory":
                options += ["--mount", f"type=tmpfs,destination={target},tmpfs-mode=1777"]
                continue
            source = self.volume(mount["name"])
            if "configMap" in volume:
                for name, text in self.config_maps[volume["configMap"]["name"]].items():
                    (source / name).write_text(text)
            if part := mount.get("subPath") or mount.get("subPathExpr"):
                source /= self._expanded(part, {"JOB_COMPLETION_INDEX": self.index})
            options += ["--volume", f"{source}:{target}:{mode}"]
        return options

    def _network(self, container: Manifest) -> list[str]:
        options = [f"--network={self.network}", f"--hostname={self.name}"]
        if self.domain and container in self.manifest["spec"]["containers"]:
            options += [f"--network-alias={self.name}.{self.domain}"]
        if ports := container.get("ports"):
            self.port = free_port()
            options += [f"--publish=127.0.0.1:{self.port}:{ports[0]['containerPort']}"]
        return options


def torch_variables(job: str, hosts: int, index: int, processes: int) -> dict[str, str]:
    """Return what the plugin `torch` of Kubeflow Trainer 2.3 sets in the container `node`."""
    return {
        "PET_NNODES": str(hosts),
        "PET_NPROC_PER_NODE": str(processes),
        "PET_NODE_RANK": str(index),
        "PET_MASTER_ADDR": f"{job}-node-0-0.{job}",
        "PET_MASTER_PORT": "29500",
    }


def xgboost_variables(job: str, hosts: int, index: int) -> dict[str, str]:
    """Return what its plugin `xgboost` sets there."""
    return {
        "DMLC_TRACKER_URI": f"{job}-node-0-0.{job}",
        "DMLC_TRACKER_PORT": "29500",
        "DMLC_TASK_ID": str(index),
        "DMLC_NUM_WORKER": str(hosts),
    }
