"""An endpoint: a Deployment for each variant, one Service before them, and what keeps them up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth.errors import ContractError, Fault
from mlberth_local.render.kubernetes.names import metadata, name_of, resources
from mlberth_local.render.kubernetes.pods import Pod, variables
from mlberth_local.render.request_files import ENDPOINT_CONFIG, MODEL

_LONGEST = 30
_PORT = 8080
_PRE_STOP = 5
_GRACE = 75
_STOP = "65"
_PERIOD = 5
_LOADING = 600
"""Seconds to load a model, if the request names none."""
_LABEL = "app.kubernetes.io/name"


def render(
    config: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]], notes: list[str]
) -> list[dict[str, Any]]:
    """Return the manifests of a CreateEndpointConfig and its CreateModel; losses are added to `notes`."""
    variants = config["ProductionVariants"]
    faults = [fault for variant in variants for fault in _faults(variant, models)]
    if faults:
        raise ContractError(*faults)
    name = name_of(config["EndpointConfigName"], _LONGEST)
    if name != config["EndpointConfigName"]:
        notes.append(
            f"{ENDPOINT_CONFIG}.EndpointConfigName: the objects are called {name}, as Kubernetes' names are"
        )
    if len(variants) > 1:
        notes.append(
            f"{ENDPOINT_CONFIG}.ProductionVariants: the Service spreads requests evenly over all pods: a"
            " variant has the share of its pods, not of its weight; KServe and meshes split by weight"
        )
    documents: list[dict[str, Any]] = []
    for variant in variants:
        label = name if len(variants) == 1 else f"{name}-{name_of(variant['VariantName'], _LONGEST)}"
        documents += _variant(name, label, variant, models[variant["ModelName"]], config)
    return [*documents, _service(name), _budget(name)]


def _faults(variant: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> list[Fault]:
    where = f"{ENDPOINT_CONFIG}, variant {variant['VariantName']}"
    model = models.get(variant.get("ModelName", ""))
    if model is None:
        found = repr(variant.get("ModelName"))
        return [Fault(f"{where}, ModelName", found, f"a model that a {MODEL} among the files makes")]
    where = f"{MODEL} {model['ModelName']}"
    containers = _containers(model)
    if len(containers) != 1:
        return [Fault(where, f"{len(containers)} containers", "one: there are no inference pipelines here")]
    faults = []
    if not containers[0].get("Image"):
        faults.append(Fault(f"{where}, Image", "none", "the name of an image"))
    if containers[0].get("Mode") == "MultiModel":
        action = "Make an image with all models, or serve each by itself."
        faults.append(Fault(f"{where}, Mode", "MultiModel", "SingleModel: nobody loads models here", action))
    return faults


def _containers(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    primary = model.get("PrimaryContainer")
    return [primary] if primary else list(model.get("Containers") or [])


def _variant(
    name: str,
    label: str,
    variant: Mapping[str, Any],
    model: Mapping[str, Any],
    config: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return a variant's Deployment, and its autoscaler if it scales."""
    (container,) = _containers(model)
    replicas = variant.get("InitialInstanceCount") or 1
    labels = {_LABEL: name, "app.kubernetes.io/component": label}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(label, [*(config.get("Tags") or []), *(model.get("Tags") or [])]),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(_PORT),
                        "prometheus.io/path": "/metrics",
                    },
                },
                "spec": _pod(label, variant, container, config),
            },
        },
    }
    scaling = variant.get("ManagedInstanceScaling") or {}
    if not scaling or scaling.get("Status") == "DISABLED":
        return [deployment]
    return [deployment, _autoscaler(label, scaling, replicas)]


def _pod(
    label: str, variant: Mapping[str, Any], container: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Any]:
    pod = Pod(label, container["Image"], has_rights=False)
    pod.mount_empty("model", f"{DEFAULT_BASE}/model")
    if source := _source(container):
        pod.fetch("model", source, f"{DEFAULT_BASE}/model")
    environ = {
        "SAGEMAKER_STOP_GRACE_SECONDS": _STOP,
        **_capture(config.get("DataCaptureConfig") or {}),
        **(container.get("Environment") or {}),
    }
    seconds = variant.get("ContainerStartupHealthCheckTimeoutInSeconds") or _LOADING
    server: dict[str, Any] = {
        "name": "server",
        "args": ["serve"],
        "env": variables(environ),
        "ports": [{"name": "http", "containerPort": _PORT}],
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_PRE_STOP)]}}},
        "startupProbe": _probe(_PERIOD, -(-seconds // _PERIOD)),
        "readinessProbe": _probe(_PERIOD, 2),
        "livenessProbe": _probe(10, 9),
    }
    if amounts := _amounts(variant):
        server["resources"] = amounts
    return pod.spec(server, _GRACE)


def _amounts(variant: Mapping[str, Any]) -> dict[str, Any]:
    serverless = variant.get("ServerlessConfig") or {}
    if serverless:
        amount = {"memory": f"{serverless['MemorySizeInMB']}Mi"}
        return {"requests": amount, "limits": dict(amount)}
    return resources(variant.get("InstanceType", ""), variant.get("VolumeSizeInGB"))


def _source(container: Mapping[str, Any]) -> list[str]:
    """Return the arguments of `mlberth fetch` for a container's model; [] if it has none."""
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    if source:
        return [*([] if source.get("CompressionType") == "None" else ["--unpack"]), source["S3Uri"]]
    return ["--unpack", container["ModelDataUrl"]] if container.get("ModelDataUrl") else []


def _capture(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of a server that captures as the request says."""
    if not config or config.get("EnableCapture") is False:
        return {}
    types = config.get("CaptureContentTypeHeader") or {}
    modes = [option["CaptureMode"] for option in config["CaptureOptions"]]
    sides = ["Input", "Output"] if "InputAndOutput" in modes else modes
    found = {
        "SAGEMAKER_DATA_CAPTURE_DESTINATION": config["DestinationS3Uri"],
        "SAGEMAKER_DATA_CAPTURE_PERCENTAGE": str(config["InitialSamplingPercentage"]),
        "SAGEMAKER_DATA_CAPTURE_OPTIONS": ",".join(sides),
        "SAGEMAKER_DATA_CAPTURE_CSV_CONTENT_TYPES": ",".join(types.get("CsvContentTypes") or []),
        "SAGEMAKER_DATA_CAPTURE_JSON_CONTENT_TYPES": ",".join(types.get("JsonContentTypes") or []),
    }
    return {name: value for name, value in found.items() if value}


def _probe(seconds: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/ping", "port": "http"},
        "periodSeconds": seconds,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _service(name: str) -> dict[str, Any]:
    spec = {"selector": {_LABEL: name}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name), "spec": spec}


def _budget(name: str) -> dict[str, Any]:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {_LABEL: name}}}
    kind = "PodDisruptionBudget"
    return {"apiVersion": "policy/v1", "kind": kind, "metadata": metadata(name), "spec": spec}


def _autoscaler(label: str, scaling: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """Return what keeps the requests that wait at two for each pod, as in deploy/kubernetes."""
    minimum = scaling.get("MinInstanceCount", replicas)
    metric = {
        "type": "Pods",
        "pods": {
            "metric": {"name": "mlberth_requests_waiting"},
            "target": {"type": "AverageValue", "averageValue": "2"},
        },
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(label),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": label},
            # Down to none is beyond an autoscaler that has no requests to see then.
            "minReplicas": max(1, minimum),
            "maxReplicas": max(1, scaling.get("MaxInstanceCount", max(minimum, replicas))),
            "metrics": [metric],
        },
    }


def models_of(requests: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the models of CreateModel requests by their names."""
    return {request["ModelName"]: request for request in requests}
