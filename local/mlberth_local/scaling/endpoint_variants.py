"""Variants of the endpoints of this platform."""

from __future__ import annotations

from collections.abc import Callable

from mlberth_local.endpoints import deployment
from mlberth_local.endpoints.endpoints import Endpoints
from mlberth_local.endpoints.record import KIND, EndpointState, state_of
from mlberth_local.errors import ValidationError
from mlberth_local.scaling.variants import Variant
from mlberth_local.store.resources import NoSuchResourceError, Resource, Resources


class EndpointVariants:
    """Finds variants in the records of endpoints, and changes their numbers as clients of the API do."""

    def __init__(self, resources: Resources, endpoints: Endpoints, *, clock: Callable[[], float]) -> None:
        self._resources = resources
        self._endpoints = endpoints
        self._clock = clock

    def find(self, endpoint: str, variant: str) -> Variant | None:
        """Return a variant; None if there is none of these names."""
        try:
            row = self._resources.get(KIND, endpoint)
        except NoSuchResourceError:
            return None
        state = state_of(row)
        serving = state.serving or state.pending
        if serving is None:
            return None
        for fleet in serving.fleets:
            if fleet.variant == variant:
                is_asynchronous = "AsyncInferenceConfig" in serving.config
                return Variant(
                    fleet.desired, row.status == deployment.IN_SERVICE, 0 if is_asynchronous else 1
                )
        return None

    def set_desired_count(self, endpoint: str, variant: str, count: int) -> None:
        """Begin to bring a variant to a number of instances. Raises ServiceError if it cannot now."""

        def apply(row: Resource, state: EndpointState) -> None:
            if row.status != deployment.IN_SERVICE:
                raise ValidationError(f"The endpoint {endpoint} is {row.status}.")
            deployment.begin_scaling(row, state, {variant: (None, count)}, self._clock())

        try:
            self._endpoints.change(endpoint, apply)
        except NoSuchResourceError:
            raise ValidationError(f"There is no endpoint {endpoint}.") from None
