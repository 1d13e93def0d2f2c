"""Requests that wait together, predicted in one call: their rows joined, and what comes back split again.

A handler is trusted with that only after it has been shown to predict the same together as alone.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from mlberth_serve.codecs.base import Decoded
from mlberth_serve.codecs.bulk import read_all, write_all
from mlberth_serve.codecs.values.arrays import from_tensor
from mlberth_serve.errors import RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import Request
from mlberth_serve.inference.streaming import Stream
from mlberth_serve.shared.metrics_recorder import DECODE, ENCODE, PREDICT

Answer = tuple[bytes | Stream, str] | RequestError
"""The body and media type of a response, or what the request ends with."""

_MAX_KINDS = 64
"""Kinds of requests that are remembered; with more of them all are shown again: clients choose the widths."""
# What a library may lose by adding up in another order, of the largest number beside it.
_CLOSE = {4: 1e-4, 8: 1e-9}
_LEAST_CLOSE = 1e-2
"""For numbers of two bytes."""

log = logging.getLogger(__name__)


class Steps(Protocol):
    """The steps of one request, as the pipeline has them; each raises RequestError."""

    def decode(self, request: Request) -> Decoded:
        """Return what a body holds."""

    def predict(self, data: Any, context: Context) -> Any:
        """Return the prediction for one request, or for several."""

    def encode(self, prediction: Any, envelope: str, context: Context) -> tuple[bytes | Stream, str]:
        """Return the response's body and media type."""


class Batches:
    """Answers several requests with one call of the model, if each gets what it would get alone."""

    def __init__(self, steps: Steps, *, reads_alike: bool, writes_alike: bool) -> None:
        """Codecs read and write together unless the handler has an input_fn or output_fn of its own."""
        self._steps = steps
        self._reads_alike = reads_alike
        self._writes_alike = writes_alike
        self._calls: dict[object, int] = {}
        self.refused = False
        """Whether the handler has been seen not to predict row by row: there are no more batches then."""
        self.joined = False
        """Whether the latest requests were all predicted in one call: only then its time says something."""

    def transform(self, requests: Sequence[Request], context: Context) -> list[Answer]:
        """Return for each request what it would get alone.

        Requests with the same dtype and width share one call, whose `context` belongs to none of them. If it
        fails, each is run alone.
        """
        self.joined = False
        results: dict[int, Answer] = {}
        groups: dict[object, list[tuple[int, Decoded]]] = {}
        for index, decoded in enumerate(self._decode_all(requests)):
            if isinstance(decoded, RequestError):
                results[index] = decoded
                continue
            key = group_key(decoded.array)
            name = requests[index].media_type.name
            groups.setdefault(index if key is None else (name, *key), []).append((index, decoded))
        for kind, members in groups.items():
            own = [requests[index].context for index, _ in members]
            answers = self._answer_all(kind, [decoded for _, decoded in members], context, own)
            results.update(zip([index for index, _ in members], answers, strict=True))
        self.joined = self.joined and len(groups) == 1 and len(results) == len(members)
        return [results[index] for index in range(len(requests))]

    def _decode_all(self, requests: Sequence[Request]) -> list[Decoded | RequestError]:
        if not requests:  # all that came together were refused before
            return []
        media_type, first = requests[0].media_type, requests[0].context
        if self._reads_alike and all(request.media_type is media_type for request in requests):
            began = time.monotonic()
            decoded = _or_none(lambda: read_all([request.body for request in requests], media_type))
            if decoded:
                first.step_times.append((DECODE, time.monotonic() - began, len(requests)))
                return [*decoded]
        return [self._decode_one(request) for request in requests]

    def _decode_one(self, request: Request) -> Decoded | RequestError:
        try:
            return self._steps.decode(request)
        except RequestError as error:
            return error

    def _answer_all(
        self, key: object, group: Sequence[Decoded], context: Context, own: Sequence[Context]
    ) -> Sequence[Answer]:
        """Return the answer to each request of a group whose rows can be joined."""
        if len(group) == 1 or self.refused:
            return [self._answer_one(*one) for one in zip(group, own, strict=True)]
        # A handler may treat a single row in its own way, so what several rows have shown says nothing of it.
        key = (key, min(len(decoded.array) for decoded in group) == 1)
        if self._is_due(key) and _are_equal([decoded.array for decoded in group]):
            # They cannot tell what looks from row to row, and are shown for their like alone.
            key = (key, "equal rows")
        if self._is_due(key):
            return self._answer_checked(key, group, context, own)
        began = time.monotonic()
        predicted = self._predict_joined([decoded.array for decoded in group], context, own)
        if predicted is None:
            return [self._answer_one(*one) for one in zip(group, own, strict=True)]
        self._calls[key] += 1
        prediction, parts = predicted
        own[0].step_times.append((PREDICT, time.monotonic() - began, len(own)))
        self.joined = True
        return self._encode_all(prediction, group, own) or [
            self._encode_one(*one) for one in zip(parts, group, own, strict=True)
        ]

    def _is_due(self, key: object) -> bool:
        """Return whether a kind is to be shown again: at the calls 0, 1, 2, 4, 8, … now and then for ever."""
        calls = self._calls.get(key, 0)
        return calls & (calls - 1) == 0

    def _answer_checked(
        self, key: object, group: Sequence[Decoded], context: Context, own: Sequence[Context]
    ) -> Sequence[Answer]:
        """Answer each request alone, and learn whether all together would have got the same."""
        alone: list[tuple[Any, Any]] = []
        answers: list[Answer] = []
        for decoded, its in zip(group, own, strict=True):
            rows = decoded.array.copy()  # a handler may write into what it is given
            try:
                prediction = self._steps.predict(decoded.array, its)
                kept = _or_none(lambda: copy.deepcopy(_plain(prediction)))  # noqa: B023 - called at once
                answers.append(self._steps.encode(prediction, decoded.envelope, its))
                alone.append((rows, kept))
            except RequestError as error:
                answers.append(error)
        arrays = [rows for rows, _ in alone]
        if len(alone) < len(group) and _are_equal(arrays):
            return answers  # those that differed are gone
        together = _or_none(lambda: self._call(arrays, context, own))
        if together and all(is_same(part, kept) for part, (_, kept) in zip(together[1], alone, strict=True)):
            if len(self._calls) >= _MAX_KINDS:
                self._calls.clear()
            self._calls[key] = self._calls.get(key, 0) + 1
        else:
            self.refused = True
            log.warning(
                "predict_fn does not predict for several requests together what it predicts for each alone: "
                "no more batches"
            )
        return answers

    def _predict_joined(
        self, arrays: list[Any], context: Context, own: Sequence[Context]
    ) -> tuple[Any, list[Any]] | None:
        """Return the prediction for all arrays, and each one's part; None if each is to be run alone."""
        try:
            predicted = self._call(arrays, context, own)
        except BaseException as error:  # noqa: BLE001 - one of them is at fault, and will be told so
            log.debug("a batch of %d failed, each is run alone: %s", len(arrays), type(error).__name__)
            return None
        if predicted is None:
            self.refused = True
            log.warning("predict_fn does not return a prediction for each row: no more batches")
        return predicted

    def _call(
        self, arrays: list[Any], context: Context, own: Sequence[Context]
    ) -> tuple[Any, list[Any]] | None:
        context.begin_batch(own)
        prediction = self._steps.predict(join(arrays), context)
        parts = split(prediction, arrays)
        return None if parts is None else (prediction, parts)

    def _answer_one(self, decoded: Decoded, context: Context) -> Answer:
        try:
            prediction = self._steps.predict(decoded.array, context)
            return self._steps.encode(prediction, decoded.envelope, context)
        except RequestError as error:
            return error

    def _encode_one(self, prediction: Any, decoded: Decoded, context: Context) -> Answer:
        try:
            return self._steps.encode(prediction, decoded.envelope, context)
        except RequestError as error:
            return error

    def _encode_all(
        self, prediction: Any, group: Sequence[Decoded], own: Sequence[Context]
    ) -> list[Answer] | None:
        accept = own[0].accept
        if not self._writes_alike or any(context.accept != accept for context in own):
            return None
        if any(decoded.envelope for decoded in group):
            return None
        began = time.monotonic()
        sizes = [len(decoded.array) for decoded in group]
        bodies = _or_none(lambda: write_all(prediction, sizes, accept))
        if bodies is None:
            return None
        own[0].step_times.append((ENCODE, time.monotonic() - began, len(own)))
        return [(body, accept) for body in bodies]


def _are_equal(arrays: Sequence[Any]) -> bool:
    """Return whether all rows of all arrays are the same one."""
    return len({row.tobytes() for rows in arrays for row in rows}) < 2


def group_key(data: Any) -> tuple[object, ...] | None:
    """Return what the rows of requests must have in common to be joined; None for what stays alone."""
    # A Table's columns have names, which may differ from request to request.
    if type(data) is not np.ndarray or data.ndim < 2 or data.dtype.kind not in "biuf" or not data.size:
        return None
    return (data.dtype.str, data.shape[1:])


def join(arrays: Sequence[Any]) -> Any:
    """Return the rows of all arrays, one below the other."""
    return np.concatenate(arrays)


def split(prediction: Any, arrays: Sequence[Any]) -> list[Any] | None:
    """Return each array's part of a prediction; None unless it is one item for each row.

    A tuple, and a list of arrays or tensors, are several outputs, however many there are.
    """
    if isinstance(prediction, list):
        if any(hasattr(item, "shape") and len(item.shape) for item in prediction):
            return None
    elif not isinstance(prediction, np.ndarray) and not hasattr(prediction, "detach"):
        return None
    if np.ndim(prediction) == 0 or len(prediction) != sum(map(len, arrays)):
        return None
    return list(_parts(prediction, arrays))


def is_same(part: Any, alone: Any) -> bool:
    """Return whether two predictions are the same in structure and, but for the last digits, in values."""
    part = _plain(part)
    if type(part) is not type(alone):
        return False
    if isinstance(part, np.ndarray):
        return part.dtype == alone.dtype and part.shape == alone.shape and _is_close(part, alone)
    if isinstance(part, float | complex):
        return _is_close(np.asarray(part), np.asarray(alone))
    if isinstance(part, list | tuple):
        return len(part) == len(alone) and all(map(is_same, part, alone))
    if isinstance(part, dict):
        return part.keys() == alone.keys() and all(is_same(part[key], alone[key]) for key in part)
    return bool(_or_none(lambda: part == alone))


def _is_close(part: Any, alone: Any) -> bool:
    if part.dtype.kind not in "fc":
        return bool(np.array_equal(part, alone))
    share = _CLOSE.get(part.dtype.itemsize, _LEAST_CLOSE if part.dtype.itemsize < 4 else _CLOSE[8])
    finite = np.abs(alone[np.isfinite(alone)])
    return bool(
        np.allclose(part, alone, rtol=share, atol=share * float(finite.max(initial=0.0)), equal_nan=True)
    )


def _plain(prediction: Any) -> Any:
    """Return a tensor as an array, anything else as it is."""
    return from_tensor(prediction) if hasattr(prediction, "detach") else prediction


def _or_none(step: Callable[[], Any]) -> Any:
    """Return what a step returns; None if it raises, since each request can be answered without it."""
    try:
        return step()
    except BaseException as error:  # noqa: BLE001 - code of a handler or of a library that is given several bodies
        log.debug("a step of a batch failed, each request is run alone: %s", type(error).__name__)
        return None


def _parts(prediction: Any, arrays: Sequence[Any]) -> Iterator[Any]:
    start = 0
    for array in arrays:
        yield prediction[start : start + len(array)]
        start += len(array)
