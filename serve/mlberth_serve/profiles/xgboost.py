"""The XGBoost container: algorithm mode if there is no handler, a DMatrix for one that there is."""

from __future__ import annotations

import logging
import time
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_serve.errors import UnsupportedTypeError
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import CSV, DEFAULT_CONTENT_TYPE, MediaType
from mlberth_serve.profiles.base import Profile
from mlberth_serve.profiles.peer_formats import CSV_WITH_CHARSET, write_smc
from mlberth_serve.profiles.xgboost_ensemble import Ensemble, EvaluationError, load_ensemble
from mlberth_serve.profiles.xgboost_input import (
    LIBSVM_NAMES,
    READS,
    InputError,
    count_from_zero,
    kind_of,
    read_matrix,
    to_dmatrix,
)
from mlberth_serve.profiles.xgboost_output import ACCEPTS, VALID_KEYS, select, write_scores, write_selected
from mlberth_serve.settings import Settings
from mlberth_serve.shared.metrics_recorder import DECODE, ENCODE, PREDICT
from mlberth_serve.variables import Variables

log = logging.getLogger(__name__)

_TEXT = "text/plain; charset=utf-8"


class AlgorithmMode:
    """Answers without a handler as the container does, its texts and statuses of errors included."""

    def __init__(self, settings: Settings) -> None:
        """Load the models; raises ModelLoadError, or ContractError for what they cannot answer."""
        self._default_accept = _known_accept(settings.default_accept)
        self._batch = settings.batch
        self._ensemble = load_ensemble(
            settings.layout.model, whole=settings.inference_ensemble, safe_only=settings.safe_models_only
        )
        self._keys = _selected_keys(settings, self._ensemble)

    max_batch_size = 1

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of bodies that can be read."""
        return READS

    @property
    def writes(self) -> tuple[str, ...]:
        """The media types that answers can have, the default first."""
        return tuple(dict.fromkeys((self._default_accept, *ACCEPTS)))

    def move_to(self, device: str) -> None:
        """Stay on the CPU."""

    def choose_accept(self, header: str | None) -> str:
        """Leave the choice for after the prediction, where the container makes it."""
        return header or ""

    def transform(
        self, body: bytes | memoryview, media_type: MediaType, context: Context
    ) -> tuple[bytes, str]:
        """Return the answer and its type; an error is an answer too, under its status."""
        if not body:
            context.set_response_status(204)
            return b"", _TEXT
        began = time.monotonic()
        status = 415
        try:
            is_default = media_type.name == DEFAULT_CONTENT_TYPE and "Content-Type" not in context.headers
            kind = kind_of(None if is_default else media_type.sent)
            matrix = read_matrix(bytes(body), kind, self._ensemble.columns)
            decoded = time.monotonic()
            context.step_times.append((DECODE, decoded - began, 1))
            status = 400
            predictions = self._predict(matrix, kind, context)
            predicted = time.monotonic()
            context.step_times.append((PREDICT, predicted - decoded, 1))
            status = 406
            accept = self._parse_accept(context.accept)
        except (InputError, EvaluationError, AcceptError) as error:
            context.set_response_status(status)
            return str(error).encode(), _TEXT
        answer = self._write(predictions, accept)
        context.step_times.append((ENCODE, time.monotonic() - predicted, 1))
        return answer, CSV_WITH_CHARSET if accept == CSV else accept

    def _predict(self, matrix: Any, kind: str, context: Context) -> Any:
        try:
            return self._ensemble.predict(matrix, kind)
        except (ValueError, EvaluationError) as error:  # XGBoostError is a ValueError
            log.warning("request %s: the model refused the rows: %s", context.request_id, error)
            # XGBoost's own words hold a stack of its C++ functions: they are for the log.
            reason = error if isinstance(error, EvaluationError) else "the model refuses the rows"
            raise EvaluationError(f"Unable to evaluate payload provided: {reason}") from error

    def _parse_accept(self, header: str) -> str:
        accept = header.partition(";")[0].strip()
        if accept in {"", "*/*"}:
            return self._default_accept
        if accept.lower() not in ACCEPTS:
            known = "Please use supported accept types"
            raise AcceptError(f"Accept type {accept} is not supported. {known}: {list(ACCEPTS)}.")
        return accept.lower()

    def _write(self, predictions: Any, accept: str) -> bytes:
        if self._keys is None:
            return write_scores(predictions.tolist(), accept, batch=self._batch)
        selected = select(predictions, self._keys, self._ensemble.objective, self._ensemble.classes)
        return write_selected(selected, self._keys, accept, batch=self._batch)


class AcceptError(Exception):
    """An Accept that the container does not answer; the message is for the client."""


def _known_accept(accept: str) -> str:
    if accept not in ACCEPTS:
        raise ContractError(
            Fault(Variables.default_invocations_accept.name, repr(accept), f"one of {', '.join(ACCEPTS)}")
        )
    return accept


def _selected_keys(settings: Settings, ensemble: Ensemble) -> list[str] | None:
    if settings.inference_output is None:
        return None
    name = Variables.inference_output.name
    if ensemble.objective not in VALID_KEYS:
        found = f"{settings.inference_output!r}, and a model of {ensemble.objective}"
        raise ContractError(Fault(name, found, f"a model of {', '.join(VALID_KEYS)}"))
    keys = settings.inference_output.replace(" ", "").lower().split(",")
    unknown = [key for key in keys if key not in VALID_KEYS[ensemble.objective]]
    if unknown:
        valid = ", ".join(VALID_KEYS[ensemble.objective])
        log.warning("%s: %s is nan for %s, which has %s", name, ", ".join(unknown), ensemble.objective, valid)
    return keys


def input_fn(input_data: Any, content_type: str, context: Context) -> Any:  # noqa: ARG001 - a handler's signature
    """Return the DMatrix of a body, as the container does for a handler without an input_fn."""
    body = input_data.encode() if isinstance(input_data, str) else input_data
    try:
        return read_matrix(body, kind_of(content_type))
    except InputError as error:
        raise UnsupportedTypeError(str(error)) from error


def predict_fn(data: Any, model: Any, context: Context) -> Any:
    """Ask a Booster for a DMatrix; libsvm that counts from 1 is told by the number of its columns."""
    columns = model.num_features()
    if data.num_col() == columns + 1 and context.content_type in LIBSVM_NAMES:
        data = to_dmatrix(count_from_zero(data.get_data(), columns))
    return model.predict(data, validate_features=False)


def output_fn(prediction: Any, accept: str, context: Context) -> tuple[bytes, str]:  # noqa: ARG001
    """Write an answer as the container does."""
    return write_smc(prediction, accept)


PROFILE = Profile(input_fn, predict_fn, output_fn, AlgorithmMode)
