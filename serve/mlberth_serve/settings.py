"""The settings of one server, read once from the environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlberth.code.install import Installs
from mlberth.contract.layout import Layout
from mlberth.contract.resources import count_visible, gpu_count
from mlberth.envvars import Reader
from mlberth.errors import Fault
from mlberth.masking import secret_values
from mlberth_serve.media_types import CSV, JSON
from mlberth_serve.safe_models import loading_faults
from mlberth_serve.variables import Variables

MB = 1024 * 1024
DEFAULT_PAYLOAD_MB = 25
DEFAULT_TRANSFORM_PAYLOAD_MB = 6
DEFAULT_IN_FLIGHT = 128
TRANSFORM_BUDGET_MB = 100
"""The platform's rule: MaxConcurrentTransforms x MaxPayloadInMB is at most 100."""

_SHARED = "SAGEMAKER_MULTI_MODEL_SHARED"
"""What asks for several models in one worker, which there is not (docs/adr/0008-many-models.md)."""
_DEFAULT_ACCEPTS = {"xgboost": CSV}


@dataclass(frozen=True)
class TlsFiles:
    """Where the certificate and its key are."""

    certificate: Path
    key: Path

    @classmethod
    def read(cls, reader: Reader) -> TlsFiles | None:
        """Return the two files, None if none is named; what does not go together is a fault."""
        certificate, key = reader.get(Variables.tls_certificate), reader.get(Variables.tls_key)
        if not (certificate or key):
            return None
        cert_name, key_name = Variables.tls_certificate.name, Variables.tls_key.name
        if not (certificate and key):
            given, absent = (cert_name, key_name) if certificate else (key_name, cert_name)
            reader.add(Fault(given, repr(certificate or key), f"{absent} beside it"))
            return None
        if not reader.get(Variables.use_nginx):
            expected = f"nothing, with {Variables.use_nginx.name}=false"
            reader.add(Fault(cert_name, repr(certificate), expected, "Only nginx speaks TLS here."))
        if reader.get(Variables.nginx_conf):
            expected = f"nothing, with {Variables.nginx_conf.name}"
            reader.add(Fault(cert_name, repr(certificate), expected, "Name it in your own nginx.conf."))
        return cls(Path(certificate), Path(key))


class Settings(Variables):
    """The variables of a server, read and checked together; derived values are properties."""

    layout: Layout
    installs: Installs
    tls: TlsFiles | None
    gpus: int
    """How many GPUs the workers take in turn."""
    secrets: frozenset[str]
    """What no cause of an error may tell; empty unless causes are told."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read the settings; raises ContractError that lists every faulty variable."""
        reader = Reader(environ)
        super().__init__(reader)
        self.__dict__.update(
            layout=Layout.from_environ(environ),
            installs=Installs.read(reader),
            tls=TlsFiles.read(reader),
            gpus=count_visible(self.visible_devices, gpu_count()),
        )
        self.__dict__["secrets"] = frozenset(secret_values(environ) if self.debug_errors else ())
        self._check_together(reader, environ)
        reader.check()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; raises ContractError that lists every faulty variable."""
        return cls(environ)

    def _check_together(self, reader: Reader, environ: Mapping[str, str]) -> None:
        """Add the faults of variables that do not go together."""
        if self.inference_output is not None and self.profile != "xgboost":
            expected = f"nothing, without {Variables.profile.name}=xgboost"
            reader.add(Fault(Variables.inference_output.name, repr(self.inference_output), expected))
        if environ.get(_SHARED, "").strip().lower() not in ("", "false", "0", "no", "off"):
            action = "Each model has processes of its own, which share the framework's memory all the same."
            reader.add(Fault(_SHARED, repr(environ[_SHARED]), "nothing", action))
        if self.multi_model:
            self._check_multi_model(reader)
        if self.stateful_sessions and self.serving_module:
            expected = f"false, with {Variables.serving_module.name}"
            action = "An application of your own keeps its sessions itself."
            reader.add(Fault(Variables.stateful_sessions.name, "true", expected, action))
        if self.capture_destination and self.serving_module:
            found, expected = repr(self.capture_destination), f"nothing, with {Variables.serving_module.name}"
            action = "An application of your own captures its requests itself."
            reader.add(Fault(Variables.capture_destination.name, found, expected, action))
        if self.safe_models_only:
            if self.submit_directory:
                expected = f"nothing, with {Variables.safe_models_only.name}=true"
                reader.add(Fault(Variables.submit_directory.name, repr(self.submit_directory), expected))
            for fault in loading_faults(environ, self.layout):
                reader.add(fault)
        if self.stop_delay >= self.stop_grace:
            action = "The stop takes the grace in all, the delay included."
            expected = f"less than {Variables.stop_grace.name} ({self.stop_grace:g})"
            reader.add(Fault(Variables.stop_delay.name, f"{self.stop_delay:g}", expected, action))

    def _check_multi_model(self, reader: Reader) -> None:
        """Add the faults of what cannot be had with several models; each has one worker unless told."""
        with_it = f"with {Variables.multi_model.name}=true"
        if not self.use_nginx:
            action = "nginx leads each request to the processes of its model."
            reader.add(Fault(Variables.use_nginx.name, "false", f"true, {with_it}", action))
        if self.serving_module:
            expected = f"nothing, {with_it}"
            action = "A model brings a handler, or a file that a framework loads."
            reader.add(Fault(Variables.serving_module.name, repr(self.serving_module), expected, action))
        if self.try_page:
            action = "The page asks the one model of a server."
            reader.add(Fault(Variables.try_page.name, "true", f"false, {with_it}", action))
        if not reader.source(Variables.workers):
            self.__dict__["workers"] = 1

    @property
    def default_accept(self) -> str:
        """The media type of responses to requests that accept anything."""
        return self.default_invocations_accept or _DEFAULT_ACCEPTS.get(self.profile, JSON)

    @property
    def listen_address(self) -> str:
        """`host:port` as nginx and gunicorn write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def max_memory_bytes(self) -> int | None:
        """Above how many resident bytes a worker is replaced; None is no limit."""
        return self.max_memory_mb * MB if self.max_memory_mb else None

    @property
    def sessions_folder(self) -> Path:
        """Where the state of stateful sessions is."""
        shared_memory = Path("/dev/shm")  # noqa: S108 - checked for its owner before it is used
        parent = shared_memory if os.access(shared_memory, os.W_OK) else Path(tempfile.gettempdir())
        return self.sessions_path or parent / "sagemaker_sessions"

    @property
    def max_payload_bytes(self) -> int | None:
        """The largest request body in bytes; None is no limit."""
        if self.max_payload_mb is not None:
            return self.max_payload_mb * MB or None
        return self.max_content_length or DEFAULT_PAYLOAD_MB * MB

    @property
    def max_in_flight(self) -> int | None:
        """How many requests may be served or wait; None is no limit, as a batch transform needs."""
        if self.batch:
            return None
        if self.in_flight_limit is None and self.job_queue_size is not None:
            return self.workers + self.job_queue_size
        return self.in_flight_limit or max(DEFAULT_IN_FLIGHT, 2 * self.workers)

    @property
    def execution_parameters(self) -> dict[str, object]:
        """The body of GET /execution-parameters."""
        payload = self.max_payload_mb
        if payload is None:
            length = self.max_content_length
            payload = max(1, length // MB) if length else DEFAULT_TRANSFORM_PAYLOAD_MB
        concurrency = self.max_concurrent_transforms or self.workers
        if payload:
            concurrency = max(1, min(concurrency, TRANSFORM_BUDGET_MB // payload))
        return {
            "MaxConcurrentTransforms": concurrency,
            "BatchStrategy": self.batch_strategy.upper(),
            "MaxPayloadInMB": payload,
        }
