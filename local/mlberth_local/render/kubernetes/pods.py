"""The parts that the pods of jobs and of servers have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_USER = 10001
STORE = "object-store"
"""The Secret with the keys and the address of the object store."""
NOTHING = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


class Pod:
    """A pod that is put together: its volumes, init containers and one container."""

    def __init__(self, name: str, image: str, *, has_rights: bool) -> None:
        self.name = name
        self._image = image
        self._has_rights = has_rights
        self._volumes: list[dict[str, Any]] = []
        self._mounts: list[dict[str, Any]] = []
        self._inits: list[dict[str, Any]] = []
        self.mount_empty("tmp", "/tmp")  # noqa: S108 - a mount

    def mount_empty(self, name: str, path: str) -> None:
        """Give every container a folder that is empty at first."""
        self.mount({"name": name, "emptyDir": {}}, {"mountPath": path})

    def mount(self, volume: Mapping[str, Any], mount: Mapping[str, Any]) -> None:
        """Mount a volume in every container, and add it if it is new."""
        if volume["name"] not in {one["name"] for one in self._volumes}:
            self._volumes.append(dict(volume))
        self._mounts.append({"name": volume["name"], **mount})

    def fetch(self, name: str, arguments: Sequence[str], folder: str) -> None:
        """Add an init container that fills a folder."""
        container = {"name": name, "image": self._image, "command": ["mlberth", "fetch", *arguments, folder]}
        self._inits.append(container)

    def spec(self, container: Mapping[str, Any], grace: int, **more: Any) -> dict[str, Any]:
        """Return the pod's spec with its one container."""
        found: dict[str, Any] = {"automountServiceAccountToken": False, **more}
        found["terminationGracePeriodSeconds"] = grace
        if not self._has_rights:
            found["securityContext"] = {
                "runAsNonRoot": True,
                **dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), _USER),
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        if self._inits:
            found["initContainers"] = [self._completed(one) for one in self._inits]
        found["containers"] = [self._completed({"image": self._image, **container})]
        found["volumes"] = self._volumes
        return found

    def _completed(self, container: Mapping[str, Any]) -> dict[str, Any]:
        keys = [{"secretRef": {"name": STORE, "optional": True}}]
        rights = {} if self._has_rights else {"securityContext": NOTHING}
        ordered = {name: container[name] for name in ("name", "image", "command") if name in container}
        return {**ordered, **container, "envFrom": keys, **rights, "volumeMounts": list(self._mounts)}


def literal(words: Sequence[str]) -> list[str]:
    """Return words in which `$(NAME)` is text, and no reference to a variable."""
    return [word.replace("$(", "$$(") for word in words]


def variables(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return a container's variables."""
    texts = literal(list(values.values()))
    return [{"name": name, "value": text} for name, text in zip(values, texts, strict=True)]
