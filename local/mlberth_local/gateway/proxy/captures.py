"""Data capture: chosen requests and their answers, as files that the daemon puts into a bucket.

Source: `DataCaptureConfig` of the platform's API.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from mlberth.captured_request import Exchange, Form, to_event
from mlberth_local.gateway.proxy.invocation import Invocation
from mlberth_local.gateway.proxy.request import CONTENT_TYPE, CUSTOM_ATTRIBUTES, INFERENCE_ID
from mlberth_local.gateway.spool import Spool, hourly_name
from mlberth_local.gateway.table import Capture

DESTINATION = "destination"
"""The file beside the files of a destination that holds its address."""


class Captures:
    """Captures the requests of all endpoints."""

    def __init__(self, folder: Path, chance: Callable[[], float]) -> None:
        self._folder = folder
        self._chance = chance
        self.spool = Spool(folder, hourly_name)
        self._places: dict[str, str] = {}

    def finished(self, invocation: Invocation) -> None:
        """Capture a request that was answered with success, if its turn comes."""
        endpoint, variant, reply = invocation.endpoint, invocation.variant, invocation.reply
        if endpoint is None or variant is None or reply is None:
            return
        capture = endpoint.endpoint.capture
        if capture is None or self._chance() * 100 >= capture.percentage:
            return
        request = invocation.request
        exchange = Exchange(
            request.body,
            request.text(CONTENT_TYPE) or "",
            reply.body,
            reply.headers.get(CONTENT_TYPE, b"").decode("latin-1"),
            request.text(INFERENCE_ID) or "",
            request.text(CUSTOM_ATTRIBUTES) or "",
            time.time(),
        )
        form = Form(capture.has_input, capture.has_output, capture.csv_types, capture.json_types)
        self.spool.offer(
            f"{self._place(capture)}/{endpoint.endpoint.name}/{variant.variant.name}",
            lambda: json.dumps(to_event(exchange, form), ensure_ascii=False).encode() + b"\n",
            len(exchange.body) + len(exchange.answer),
        )

    def _place(self, capture: Capture) -> str:
        """Return the folder for a destination: an address may be longer than a file's name."""
        found = self._places.get(capture.destination)
        if found is None:
            found = hashlib.sha256(capture.destination.encode()).hexdigest()[:16]
            place = self._folder / found
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (place / DESTINATION).write_text(capture.destination)
            self._places[capture.destination] = found
        return found
