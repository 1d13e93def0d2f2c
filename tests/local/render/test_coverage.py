"""The account of parameters, over a shape of the service's own."""

from __future__ import annotations

from mlberth_local.render.coverage import Coverage, notes, unaccounted
from mlberth_local.render.request_files import input_shape

SHAPE = input_shape("CreateEndpointConfig")
NAME = {"EndpointConfigName": "metadata.name"}


def test_every_parameter_of_the_shape_is_walked() -> None:
    """Lists and structures within them; a line for a path is one for all below it."""
    missing = unaccounted(SHAPE, Coverage(NAME, {"ProductionVariants": "no", "DataCaptureConfig": "no"}))
    assert "ExplainerConfig.ClarifyExplainerConfig.ShapConfig.Seed" in missing
    assert not [path for path in missing if path.startswith(("ProductionVariants", "EndpointConfigName"))]
    nearer = Coverage({**NAME, "ProductionVariants.ModelName": "x"}, {})
    missing = unaccounted(SHAPE, nearer)
    assert "ProductionVariants.VariantName" in missing
    assert "ProductionVariants.ModelName" not in missing


def test_a_line_for_each_thing_that_is_left_out() -> None:
    """With its place and its value; what is switched off, or empty, needs none."""
    coverage = Coverage(
        {**NAME, "ProductionVariants": "Deployment"},
        {
            "ProductionVariants.AcceleratorType": "there are none",
            "ProductionVariants.ManagedInstanceScaling": "an autoscaler of the cluster's",
            "EnableNetworkIsolation": "a NetworkPolicy",
            "Tags": "nobody reads them",
            "VpcConfig": "the cluster's network",
        },
    )
    request = {
        "EndpointConfigName": "x",
        "ProductionVariants": [
            {"VariantName": "a"},
            {
                "VariantName": "b",
                "AcceleratorType": "ml.eia1.medium",
                "ManagedInstanceScaling": {"MinInstanceCount": 1, "MaxInstanceCount": 2},
            },
        ],
        "EnableNetworkIsolation": False,
        "Tags": [],
        "VpcConfig": {"Subnets": ["s"], "SecurityGroupIds": ["g"]},
    }
    assert notes("CreateEndpointConfig", SHAPE, request, coverage) == [
        "CreateEndpointConfig.ProductionVariants[1].AcceleratorType = 'ml.eia1.medium': there are none",
        "CreateEndpointConfig.ProductionVariants[1].ManagedInstanceScaling: an autoscaler of the cluster's",
        "CreateEndpointConfig.VpcConfig: the cluster's network",
    ]
