"""What one server is told, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlberth.code.install import Installs
from mlberth.contract.layout import Layout
from mlberth.contract.resources import count_visible, cpu_count, gpu_count
from mlberth.envvars import Reader
from mlberth.errors import Fault
from mlberth_serve import variables
from mlberth_serve.media_types import CSV, JSON

MB = 1024 * 1024
DEFAULT_PAYLOAD_MB = 25
DEFAULT_TRANSFORM_PAYLOAD_MB = 6
DEFAULT_IN_FLIGHT = 128
TRANSFORM_BUDGET_MB = 100
"""The platform's rule: MaxConcurrentTransforms x MaxPayloadInMB is at most 100."""

_DEFAULT_ACCEPTS = {"xgboost": CSV}


@dataclass(frozen=True)
class TlsFiles:
    """Where the certificate and its key are."""

    certificate: Path
    key: Path

    @classmethod
    def read(cls, reader: Reader) -> TlsFiles | None:
        """Return the two files, None where none is named; what does not go together is a fault."""
        certificate, key = reader.get(variables.TLS_CERT), reader.get(variables.TLS_KEY)
        if not (certificate or key):
            return None
        cert_name, key_name = variables.TLS_CERT.name, variables.TLS_KEY.name
        if not (certificate and key):
            given, absent = (cert_name, key_name) if certificate else (key_name, cert_name)
            reader.add(Fault(given, repr(certificate or key), f"{absent} beside it"))
            return None
        if not reader.get(variables.USE_NGINX):
            expected = f"nothing, with {variables.USE_NGINX.name}=false"
            reader.add(Fault(cert_name, repr(certificate), expected, "Only nginx speaks TLS here."))
        if reader.get(variables.NGINX_CONF):
            expected = f"nothing, with {variables.NGINX_CONF.name}"
            reader.add(Fault(cert_name, repr(certificate), expected, "Name it in your own nginx.conf."))
        return cls(Path(certificate), Path(key))


@dataclass(frozen=True)
class Settings:
    """Every setting of a server, typed and checked; derived values are properties."""

    layout: Layout
    program: str | None
    """None where no program is asked for by name; an SDK sends "" for that."""
    submit_directory: str | None
    serving_module: str | None
    host: str
    port: int
    safe_port_range: str | None
    workers: int
    gpus: int
    """How many GPUs the workers take in turn."""
    timeout: float
    in_flight_limit: int | None
    job_queue_size: int | None
    retry: bool
    batch_max_size: int | None
    max_requests: int | None
    max_memory_mb: int | None
    use_nginx: bool
    nginx_conf: Path | None
    tls: TlsFiles | None
    max_payload_mb: int | None
    max_content_length: int | None
    default_accept: str
    log_level: int
    log_format: str
    access_log: bool
    metrics: bool
    stop_grace: float
    stop_delay: float
    reload_timeout: float
    batch: bool
    batch_strategy: str
    max_concurrent_transforms: int | None
    safe_models_only: bool
    profile: str
    inference_output: str | None
    inference_ensemble: bool
    installs: Installs

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; raises ContractError that lists every faulty variable."""
        reader = Reader(environ)
        profile = reader.get(variables.PROFILE)
        nginx_conf = reader.get(variables.NGINX_CONF)
        settings = cls(
            layout=Layout.from_environ(environ),
            program=reader.get(variables.PROGRAM) or None,
            submit_directory=reader.get(variables.SUBMIT_DIRECTORY),
            serving_module=reader.get(variables.SERVING_MODULE),
            host=reader.get(variables.HOST),
            port=reader.get(variables.PORT),
            safe_port_range=reader.get(variables.SAFE_PORT_RANGE),
            workers=reader.get(variables.WORKERS) or cpu_count(),
            gpus=count_visible(reader.get(variables.VISIBLE_DEVICES), gpu_count()),
            timeout=reader.get(variables.TIMEOUT),
            in_flight_limit=reader.get(variables.MAX_IN_FLIGHT),
            job_queue_size=reader.get(variables.JOB_QUEUE_SIZE),
            retry=reader.get(variables.RETRY),
            batch_max_size=reader.get(variables.BATCH_MAX_SIZE),
            max_requests=reader.get(variables.MAX_REQUESTS),
            max_memory_mb=reader.get(variables.MAX_MEMORY),
            use_nginx=reader.get(variables.USE_NGINX),
            nginx_conf=Path(nginx_conf) if nginx_conf else None,
            tls=TlsFiles.read(reader),
            max_payload_mb=reader.get(variables.MAX_PAYLOAD_IN_MB),
            max_content_length=reader.get(variables.MAX_CONTENT_LENGTH),
            default_accept=reader.get(variables.DEFAULT_ACCEPT) or _DEFAULT_ACCEPTS.get(profile, JSON),
            log_level=reader.get(variables.LOG_LEVEL_VARIABLE),
            log_format=reader.get(variables.LOG_FORMAT),
            access_log=reader.get(variables.ACCESS_LOG),
            metrics=reader.get(variables.METRICS),
            stop_grace=reader.get(variables.STOP_GRACE),
            stop_delay=reader.get(variables.STOP_DELAY),
            reload_timeout=reader.get(variables.RELOAD_TIMEOUT),
            batch=reader.get(variables.BATCH),
            batch_strategy=reader.get(variables.BATCH_STRATEGY),
            max_concurrent_transforms=reader.get(variables.MAX_CONCURRENT_TRANSFORMS),
            safe_models_only=reader.get(variables.SAFE_MODELS_ONLY),
            profile=profile,
            inference_output=reader.get(variables.INFERENCE_OUTPUT),
            inference_ensemble=reader.get(variables.INFERENCE_ENSEMBLE),
            installs=Installs.read(reader),
        )
        if settings.inference_output is not None and profile != "xgboost":
            expected = f"nothing, without {variables.PROFILE.name}=xgboost"
            reader.add(Fault(variables.INFERENCE_OUTPUT.name, repr(settings.inference_output), expected))
        if settings.safe_models_only and settings.submit_directory:
            expected = f"nothing, with {variables.SAFE_MODELS_ONLY.name}=true"
            reader.add(Fault(variables.SUBMIT_DIRECTORY.name, repr(settings.submit_directory), expected))
        if settings.stop_delay >= settings.stop_grace:
            action = "The stop takes the grace in all, the delay included."
            expected = f"less than {variables.STOP_GRACE.name} ({settings.stop_grace:g})"
            reader.add(Fault(variables.STOP_DELAY.name, f"{settings.stop_delay:g}", expected, action))
        reader.check()
        return settings

    @property
    def listen_address(self) -> str:
        """`host:port` as nginx and gunicorn write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def max_memory_bytes(self) -> int | None:
        """Above how many resident bytes a worker is replaced; None is no limit."""
        return self.max_memory_mb * MB if self.max_memory_mb else None

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
