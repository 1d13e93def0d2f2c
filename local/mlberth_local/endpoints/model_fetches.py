"""Archives of multi-model endpoints' models, brought to an instance when the gateway asks for them."""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlberth.code.archives import ArchiveError
from mlberth.errors import MlberthError
from mlberth_local.endpoints.context import EndpointContext
from mlberth_local.endpoints.instances import run_name
from mlberth_local.endpoints.multi_model import models_folder, multi_model_place
from mlberth_local.endpoints.record import KIND, state_of
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.model_data import bring_archive
from mlberth_local.inputs.objects import below, split
from mlberth_local.store.resources import NoSuchResourceError

_AT_ONCE = 4
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class ModelFetches:
    """Brings archives, a few at a time, and each one once, however often it is asked for meanwhile."""

    def __init__(self, context: EndpointContext) -> None:
        self._parts = context.parts
        self._turns = threading.Semaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._running: set[tuple[str, str]] = set()

    def fetch(self, wanted: Mapping[str, str]) -> dict[str, Any] | None:
        """Unpack an archive into an instance's folder; returns what the gateway has to be told of it.

        None if it is on its way already. `wanted` and the answer: `gateway/models/fetches.py`.
        """
        key = (wanted["instance"], wanted["name"])
        with self._lock:
            if key in self._running:
                return None
            self._running.add(key)
        try:
            with self._turns:
                return self._fetch(wanted)
        finally:
            with self._lock:
                self._running.discard(key)

    def _fetch(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        found = self._find(wanted["endpoint"], wanted["instance"])
        if found is None:
            text = f"Instance {wanted['instance']} of endpoint {wanted['endpoint']} is gone."
            return _error("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)
        prefix, folder = found
        address = below(prefix, wanted["target"])
        try:
            return {"bytes": bring_archive(address, folder / wanted["name"] / "model", self._parts.objects)}
        except (ServiceError, MlberthError, OSError) as error:
            return _failure(address, error)

    def _find(self, endpoint: str, name: str) -> tuple[str, Path] | None:
        """Return where an instance's models come from, and where they go."""
        try:
            state = state_of(self._parts.resources.get(KIND, endpoint))
        except NoSuchResourceError:
            return None
        for fleet, instance in state.instances():
            place = multi_model_place(fleet.containers)
            if instance.name == name and place is not None:
                run = run_name(endpoint, name, place + 1)
                return fleet.containers[place]["ModelDataUrl"], models_folder(self._parts.runs / run)
        return None


def _error(code: str, text: str, status: int = HTTPStatus.BAD_REQUEST) -> dict[str, Any]:
    return {"error": [code, text, int(status)]}


def _failure(address: str, error: Exception) -> dict[str, Any]:
    """Return what the gateway is told if an archive is not unpacked; the words are the platform's."""
    if isinstance(error, ServiceError):
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _error(error.code, error.message, error.status)
        bucket, key = split(address)
        text = (
            f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an "
            "object located at the URL and that the role passed to CreateModel has permissions to download "
            "the model."
        )
        return _error("ValidationError", text)
    if isinstance(error, ArchiveError):
        found = "; ".join(f"found {fault.found}, expected {fault.expected}" for fault in error.faults)
        text = (
            f'Failed to extract model data archive from URL "{address}". Please ensure that the object '
            f"located at the URL is a valid tar.gz archive: {found}."
        )
        return _error("ValidationError", text)
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in _NO_ROOM:
        return {"full": True}
    reason = cause.strerror if isinstance(cause, OSError) else type(error).__name__
    text = f"The archive {address} cannot be unpacked: {reason}."
    return _error("InternalFailure", text, HTTPStatus.INTERNAL_SERVER_ERROR)
