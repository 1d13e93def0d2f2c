"""The renderer for Kubernetes: the manifests of requests as YAML, with what was lost in comments above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_local.render.coverage import Coverage, notes
from mlberth_local.render.kubernetes import processing, serving, training
from mlberth_local.render.kubernetes.serving_coverage import CONFIG_COVERAGE, MODEL_COVERAGE
from mlberth_local.render.kubernetes.training_coverage import COVERAGE as TRAINING_COVERAGE
from mlberth_local.render.rendering import Rendered, comments
from mlberth_local.render.request_files import (
    ENDPOINT_CONFIG,
    MODEL,
    PROCESSING,
    TRAINING,
    Request,
    input_shape,
)

COVERAGE: dict[str, Coverage] = {
    TRAINING: TRAINING_COVERAGE,
    PROCESSING: processing.COVERAGE,
    MODEL: MODEL_COVERAGE,
    ENDPOINT_CONFIG: CONFIG_COVERAGE,
}
_HEAD = "Made by `mlberth render kubernetes`. The images need mlberth's commands: pip install mlberth.\n"


def render(requests: Sequence[Request]) -> Rendered:
    """Return the manifests of requests. Raises ContractError for what cannot be rendered."""
    found: list[str] = []
    documents: list[dict[str, Any]] = []
    for operation, parameters in requests:
        shape = input_shape(operation)
        found += notes(operation, shape, parameters, COVERAGE[operation])
        if operation == TRAINING:
            documents += training.render(parameters, found)
        elif operation == PROCESSING:
            documents += processing.render(parameters, found)
    models = serving.models_of([one.parameters for one in requests if one.operation == MODEL])
    configs = [one.parameters for one in requests if one.operation == ENDPOINT_CONFIG]
    if models and not configs:
        raise ContractError(Fault(MODEL, "no request that serves it", f"a {ENDPOINT_CONFIG} beside it"))
    for config in configs:
        documents += serving.render(config, models, found)
    text = f"# {_HEAD}{comments(found)}{to_yaml(documents)}"
    return Rendered(text, found)


def to_yaml(documents: Sequence[dict[str, Any]]) -> str:
    """Return documents as YAML in their order, with texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> Any:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return str(yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110))
