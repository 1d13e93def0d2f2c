"""Files of requests: which forms they may have, and what is told of faulty ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlberth.errors import ContractError
from mlberth_local.render.request_files import Request, read_requests

MODEL = {"ModelName": "iris", "PrimaryContainer": {"Image": "mlberth-serve:sklearn"}}
CONFIG = {
    "EndpointConfigName": "iris",
    "ProductionVariants": [{"VariantName": "a", "ModelName": "iris", "InitialInstanceCount": 1}],
}
BOTH = [Request("CreateModel", MODEL), Request("CreateEndpointConfig", CONFIG)]


def read(*documents: Any) -> list[Request]:
    """Return the requests in files with these documents."""
    files = {f"{number}.json": json.dumps(document) for number, document in enumerate(documents)}
    return read_requests(files, files.__getitem__)


@pytest.mark.parametrize(
    "documents",
    [
        (MODEL, CONFIG),
        ([MODEL, CONFIG],),
        ({"CreateModel": MODEL, "CreateEndpointConfig": CONFIG},),
        ({"CreateModel": [MODEL], "CreateEndpointConfig": CONFIG},),
        ([{"CreateModel": MODEL}, CONFIG],),
    ],
)
def test_forms(documents: tuple[Any, ...]) -> None:
    """A request alone says by its parameters which operation it is for."""
    assert read(*documents) == BOTH


def test_all_faults_at_once() -> None:
    """Of every file: unknown, missing and mistyped parameters, and values that the service refuses."""
    with pytest.raises(ContractError) as caught:
        read(
            {**CONFIG, "ProductionVariants": [{"VariantName": 7, "Modelname": "x"}]},
            {**MODEL, "ModelName": "not a name"},
            "text",
            {"CreateTransformJob": {}},
        )
    told = str(caught.value)
    for part in (
        "0.json, CreateEndpointConfig",
        'Unknown parameter in ProductionVariants[0]: "Modelname"',
        "Invalid type for parameter ProductionVariants[0].VariantName",
        "1.json, CreateModel: Value 'not a name' at 'modelName' failed to satisfy constraint",
        "2.json: found str without a request",
        "3.json: found a request of CreateTransformJob; expected one of CreateTrainingJob",
    ):
        assert part in told


def test_no_json_and_no_file() -> None:
    def lost(_file: str) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(ContractError, match=r"x\.json: found no JSON"):
        read_requests(["x.json"], lambda _file: "{")
    with pytest.raises(ContractError, match=r"y\.json: found No such file or directory"):
        read_requests(["y.json"], lost)
