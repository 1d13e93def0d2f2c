"""The context's methods that come from the multi-model-server and TorchServe."""

from __future__ import annotations

import pytest

import mlberth
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.placement import Placement

ENVIRON = {"CONTENT_TYPE": "text/csv", "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES": "a=1"}


@pytest.fixture
def context() -> Context:
    """Return the context of a request in the third worker of a machine with two GPUs."""
    return Context(ENVIRON, "r-1", placement=Placement(2, "cuda:0", "/opt/ml/model"))


def test_system_properties(context: Context) -> None:
    """A handler finds the model folder and its GPU where those servers have them."""
    assert context.system_properties == {
        "model_dir": "/opt/ml/model",
        "gpu_id": 0,
        "batch_size": 1,
        "server_name": "mlberth",
        "server_version": mlberth.__version__,
    }
    assert Context().system_properties["gpu_id"] is None
    assert context.manifest["model"]["modelName"] == context.model_name


def test_request_is_read(context: Context) -> None:
    """Headers are found by the request processor and by the context, in any case."""
    (processor,) = context.request_processor
    assert processor.get_request_properties().get("X-Amzn-SageMaker-Custom-Attributes") == "a=1"
    assert processor.get_request_property("Content-Type") == "text/csv"
    assert context.get_request_header(0, "content-type") == "text/csv"
    assert context.get_request_header(0, "Accept") is None
    assert context.get_all_request_header(0)["Content-Type"] == "text/csv"
    assert context.get_request_id(0) == context.get_request_id() == "r-1"


def test_answer_is_written(context: Context) -> None:
    """Status, type and headers are set by the context, with the place in the batch first or last."""
    context.set_response_header(0, "X-A", "1")
    context.set_response_header("X-B", "2")
    context.set_response_content_type(0, "text/plain")
    context.set_response_status(201, "Made", 0)
    assert context.response_headers == [("X-A", "1"), ("X-B", "2")]
    assert context.get_response_content_type(0) == "text/plain"
    assert context.response_status == 201
    context.set_all_response_status(code=202, phrase="Taken")
    assert context.response_status == 202


def test_answer_is_written_by_the_request_processor(context: Context) -> None:
    """The same, as TorchServe's own handlers do it."""
    (processor,) = context.request_processor
    processor.report_status(404, "No such city")
    processor.add_response_property("content-type", "text/html")
    processor.add_response_property("X-A", "1")
    assert (context.response_status, context.response_content_type) == (404, "text/html")
    assert context.response_headers == [("X-A", "1")]


@pytest.mark.parametrize("content_type", ["text/html\r\nX-Evil: 1", "html", None])
def test_content_type_that_is_none_is_refused(context: Context, content_type: str) -> None:
    """A line end in it would let the body's author write headers."""
    with pytest.raises(ValueError, match="content type"):
        context.set_response_content_type(0, content_type)
