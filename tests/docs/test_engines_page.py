"""The page that says what stands for what on each engine."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest

from mlberth.contract.layout import Layout

PAGE = (Path(__file__).parents[2] / "docs/reference/engines.md").read_text()
OPERATIONS = (
    "CreateTrainingJob",
    "CreateProcessingJob",
    "CreateTransformJob",
    "CreateModel",
    "CreateEndpointConfig",
    "CreateEndpoint",
)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_parameter_of_a_request_is_on_the_page(operation: str) -> None:
    """By botocore's own model: a new parameter is missed here."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    members = model.operation_model(operation).input_shape.members
    assert [name for name in members if f"`{name}`" not in PAGE] == []


def test_every_file_of_the_contract_is_on_the_page() -> None:
    """Those of the layout that a user sees."""
    layout = Layout(Path("/opt/ml"))
    files = (layout.hyperparameters, layout.input_data_config, layout.resource_config)
    assert [file.name for file in files if f"`{file.name}`" not in PAGE] == []
    folders = (layout.code, layout.model, layout.output_data, layout.checkpoints, layout.failure)
    assert [str(folder) for folder in folders if f"`{folder}`" not in PAGE] == []
