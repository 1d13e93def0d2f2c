"""Tests of scaling on a real endpoint of plain processes."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.local.endpoints.endpoint_platform import EndpointPlatform

from mlberth_local.errors import ServiceError
from mlberth_local.scaling.endpoint_variants import EndpointVariants
from mlberth_local.scaling.variants import Variant


def test_a_variant_gets_the_number_of_instances_that_is_asked_for(tmp_path: Path) -> None:
    with closing(EndpointPlatform(tmp_path)) as platform:
        platform.model("m")
        platform.config("c", "m")
        platform.create("e", "c")
        resources = platform.endpoints.context.parts.resources
        variants = EndpointVariants(resources, platform.endpoints, clock=time.time)
        assert variants.find("e", "v-m") == Variant(desired=1, is_ready=True)
        variants.set_desired_count("e", "v-m", 2)
        assert variants.find("e", "v-m") == Variant(desired=2, is_ready=False)
        with pytest.raises(ServiceError, match="The endpoint e is Updating"):
            variants.set_desired_count("e", "v-m", 3)
        platform.settle("e")
        assert variants.find("e", "v-m") == Variant(desired=2, is_ready=True)
        assert len(platform.ports("e")) == 2
        assert variants.find("e", "other") is None
        assert variants.find("other", "v-m") is None
        with pytest.raises(ServiceError, match="There is no endpoint other"):
            variants.set_desired_count("other", "v-m", 3)
