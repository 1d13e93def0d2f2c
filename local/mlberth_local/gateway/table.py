"""The table of endpoints: all that the gateway is told. The daemon writes it, by rename."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelStore:
    """Where an instance has the models that one of its containers loads by request."""

    container: int
    """Its place among the containers, from 0 on."""
    folder: str
    """On this machine; a model is unpacked into `NAME/model` below it."""
    inside: str
    """The same folder, as the container sees it."""
    caches: bool = True
    """Whether models stay until their room is needed. Source: `ModelCacheSetting` of the platform's API."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a variant: a server for each of the model's containers, all on 127.0.0.1."""

    name: str
    """Its log stream is `<variant>/<name>`."""
    ports: tuple[int, ...]
    """One for each container, in the order in which a pipeline passes them."""
    models: ModelStore | None = None
    """Of a multi-model endpoint."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The instances of a variant that were made from one endpoint configuration.

    There are two of them while an update shifts traffic, else one.
    """

    config_name: str
    instances: tuple[Instance, ...]
    share: float = 1.0
    """Its part of the variant's requests, 0 to 1; those of a variant add up to 1."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A production or shadow variant. Sources: `ProductionVariant` of the platform's API."""

    name: str
    weight: float
    """Its part of the requests is this over the sum of all variants; 0 gets only those that name it."""
    fleets: tuple[Fleet, ...]
    containers: tuple[str, ...] = ("primary",)
    """The names by which a ModelError tells which container it comes from."""
    multi_model: bool = False
    """Whether requests have to name the model that they are for."""
    max_concurrency: int | None = None
    """Of a serverless variant: requests above it are answered 429."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What is kept of an endpoint's requests. Source: `DataCaptureConfig` of the platform's API."""

    destination: str
    """The address below which the daemon puts it: `s3://bucket/prefix`."""
    percentage: float
    """Of all requests, 0 to 100, chosen by chance."""
    has_input: bool
    has_output: bool
    csv_types: tuple[str, ...]
    json_types: tuple[str, ...]
    """Media types whose bodies are kept as text; all others are in Base64."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as far as its requests are concerned."""

    name: str
    log_group_arn: str
    variants: tuple[Variant, ...]
    shadows: tuple[Variant, ...] = ()
    """The weight of each is the part of the requests that it gets a copy of, 0 to 1."""
    direct: bool = False
    """Whether requests name one of several containers (`InferenceExecutionConfig.Mode`)."""
    asynchronous: bool = False
    """Whether it takes asynchronous calls alone."""
    capture: Capture | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """All endpoints that answer, at one moment."""

    endpoints: tuple[Endpoint, ...] = ()
