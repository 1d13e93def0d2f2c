"""Answers to asynchronous requests: each becomes an object and a message, and then nothing is left of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlberth_local.asynchronous import metrics as measured
from mlberth_local.asynchronous.capacity import configuration
from mlberth_local.asynchronous.exchange import Answer
from mlberth_local.asynchronous.inference import KIND, Inference
from mlberth_local.asynchronous.notifications import notification
from mlberth_local.endpoints.record import EndpointState
from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Objects
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources

log = logging.getLogger(__name__)


class Results:
    """Puts answers and failures where their requests say. `folder` has the bodies of requests."""

    def __init__(
        self,
        folder: Path,
        resources: Resources,
        objects: Objects,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        region: str,
        publish: Callable[[str, str, str], object],
    ) -> None:
        self._folder = folder
        self._resources, self._objects, self._metrics = resources, objects, metrics
        self._clock, self._region, self._publish = clock, region, publish

    def succeed(self, inference: Inference, state: EndpointState, answer: Answer, variant: str) -> None:
        """Put an answer into its bucket, and tell that it is there."""
        try:
            if inference.output_location:
                self._objects.put(inference.output_location, answer.path)
        except (ServiceError, OSError, ValueError) as error:
            name = "ResponseUploadFailures"
            self._metrics.put([measured.counted(inference.endpoint, variant, name, self._clock())])
            self.fail(inference, state, f"The answer cannot be put at {inference.output_location}: {error}")
            return
        included = (
            (answer.path.read_bytes(), answer.content_type) if self._includes(state, "SUCCESS") else None
        )
        self._notify(inference, state, failure="", response=included)
        self.forget(inference)

    def fail(self, inference: Inference, state: EndpointState | None, reason: str) -> None:
        """Put the reason of a failure into its bucket, and tell it; no `state` if the endpoint is gone."""
        if inference.failure_location:
            path = self._folder / f"{inference.key}.failure"
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(reason)
            try:
                self._objects.put(inference.failure_location, path)
            except (ServiceError, OSError, ValueError) as error:
                log.warning("%s cannot be put: %s", inference.failure_location, error)
        if state is not None:
            included = (reason.encode(), "text/plain") if self._includes(state, "ERROR") else None
            self._notify(inference, state, failure=reason, response=included)
        self.forget(inference)

    @staticmethod
    def _topics(state: EndpointState) -> dict[str, Any]:
        return dict((configuration(state).get("OutputConfig") or {}).get("NotificationConfig") or {})

    def _includes(self, state: EndpointState, kind: str) -> bool:
        wanted = self._topics(state).get("IncludeInferenceResponseIn") or []
        return f"{kind}_NOTIFICATION_TOPIC" in wanted

    def _notify(
        self, inference: Inference, state: EndpointState, *, failure: str, response: tuple[bytes, str] | None
    ) -> None:
        topic = self._topics(state).get("ErrorTopic" if failure else "SuccessTopic")
        if not topic:
            return
        now = self._clock()
        text = notification(inference, region=self._region, now=now, failure=failure, response=response)
        try:
            self._publish(topic, "Amazon SageMaker Asynchronous Inference", text)
        except ServiceError as error:
            self._metrics.put([measured.counted(inference.endpoint, "", "NotificationFailures", now)])
            log.warning("%s cannot be told of %s: %s", topic, inference.inference_id, error.message)

    def forget(self, inference: Inference) -> None:
        """Remove all that is kept of a request."""
        self._resources.delete(KIND, inference.key)
        for path in self._folder.glob(f"{inference.key}.*"):
            path.unlink(missing_ok=True)
