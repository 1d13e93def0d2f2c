"""Manifests read and checked: the files of deploy/kubernetes, and what `mlberth render kubernetes` writes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/kubernetes"
FILES = sorted(
    str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*.yaml") if path.name != "kustomization.yaml"
)
FLAVOURS = ("sklearn", "torch", "xgboost")
VERSIONS = ("1.29", "1.33", "1.37")
"""Of Kubernetes. 1.28 itself takes our rules for failed pods; its published schema does not."""
OTHER_SCHEMAS = json.loads((Path(__file__).parent / "crd_schemas.json").read_text())
Manifest = dict[str, Any]


def read(name: str) -> list[Manifest]:
    """Return the documents of a file of deploy/kubernetes."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def one(name: str, kind: str) -> Manifest:
    """Return a file's one document of a kind."""
    (found,) = [document for document in read(name) if document["kind"] == kind]
    return found


def pod_templates(node: Any) -> Iterator[Manifest]:
    """Yield every pod's `{metadata, spec}` in a document, also below a JobSet and a runtime."""
    if isinstance(node, dict):
        spec = node.get("spec")
        if isinstance(spec, dict) and "containers" in spec and "kind" not in node:
            yield node
        else:
            for value in node.values():
                yield from pod_templates(value)
    elif isinstance(node, list):
        for value in node:
            yield from pod_templates(value)


def pods(document: Manifest) -> list[Manifest]:
    """Return the pods of a document; KServe's runtime is one without a template."""
    if document["kind"] == "ClusterServingRuntime":
        spec = {name: document["spec"][name] for name in ("containers", "volumes")}
        return [{"metadata": {}, "spec": spec}]
    if document["kind"] == "TrainJob":
        return []
    return list(pod_templates(document))


def jobs(document: Manifest) -> list[Manifest]:
    """Return the JobSpecs of a document: of a Job, or of the replicated jobs of a JobSet or a runtime."""
    if document["kind"] == "Job":
        return [document["spec"]]
    if document["kind"] == "JobSet":
        return [one["template"]["spec"] for one in document["spec"]["replicatedJobs"]]
    if document["kind"] == "ClusterTrainingRuntime":
        spec = document["spec"]["template"]["spec"]
        return [one["template"]["spec"] for one in spec["replicatedJobs"]]
    return []


def check(document: Manifest, version: str = VERSIONS[-1]) -> None:
    """Fail if a document is not what its API takes: an unknown or missing field, a wrong type."""
    import kubernetes_validate

    api = f"{document['apiVersion']}/{document['kind']}"
    if api in OTHER_SCHEMAS:
        jsonschema.validate(document, closed(OTHER_SCHEMAS[api]["schema"]))
    elif document["apiVersion"].startswith(("jobset.", "trainer.")):
        check_by_model(document)
    else:
        kubernetes_validate.validate(document, version, strict=True)
        return
    for pod in pods(document):
        metadata = {**pod.get("metadata", {}), "name": "pod"}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
        kubernetes_validate.validate(made, version, strict=True)
    for spec in jobs(document):
        made = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": spec}
        kubernetes_validate.validate(made, version, strict=True)


def check_by_model(document: Manifest) -> None:
    """Read a document with the models that Kubeflow publishes, which drop fields that they do not know."""
    from kubeflow_trainer_api import models

    kinds = {
        "JobSet": models.JobsetV1alpha2JobSet,
        "ClusterTrainingRuntime": models.TrainerV1alpha1ClusterTrainingRuntime,
        "TrainJob": models.TrainerV1alpha1TrainJob,
    }
    read_back = kinds[document["kind"]].from_dict(copy.deepcopy(document))
    assert read_back is not None
    assert read_back.to_dict() == document, "it has fields that the model does not know"


def closed(schema: Any) -> Any:
    """Return a schema that takes no fields but those it names, as an API server with strict validation."""
    if not isinstance(schema, dict):
        return schema
    made = {
        name: {key: closed(value) for key, value in item.items()} if name == "properties" else closed(item)
        for name, item in schema.items()
    }
    if made.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    if list(made.get("properties", ())) == []:
        made.pop("properties", None)
    return made


def overlay(flavour: str) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of a flavour, with the few features that ours use."""
    folder = DEPLOY / "flavours" / flavour
    made = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(made) <= {"apiVersion", "kind", "resources", "images", "patches"}
    (base,) = made["resources"]
    resources = yaml.safe_load((folder / base / "kustomization.yaml").read_text())["resources"]
    documents = [document for name in resources for document in read(f"serve/{name}")]
    for image in made["images"]:
        for document in documents:
            for pod in pods(document):
                for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
                    if container["image"] == image["name"]:
                        container["image"] = f"{image['newName']}:{image['newTag']}"
    for patch in made.get("patches", ()):
        target = patch["target"]
        (document,) = [
            one
            for one in documents
            if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
        ]
        for operation in yaml.safe_load(patch["patch"]):
            assert operation["op"] == "replace"
            *parts, last = [
                int(part) if part.isdecimal() else part for part in operation["path"].split("/")[1:]
            ]
            place: Any = document
            for part in parts:
                place = place[part]
            assert last in place
            place[last] = operation["value"]
    return documents
