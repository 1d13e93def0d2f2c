"""From a body to an answer."""

# ruff: noqa: ARG005 - a handler's functions have the signatures that they have

from __future__ import annotations

from typing import Any

import pytest

from mlberth.errors import ContractError
from mlberth_serve.errors import HandlerError, RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import Request
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.inference.pipeline import Pipeline
from mlberth_serve.media_types import read_content_type


def double(data: Any, model: Any, context: Context) -> Any:
    """Predict twice the input."""
    return data * 2


def transform(
    transformer: Pipeline, body: bytes, content_type: str, accept: str | None = None
) -> tuple[bytes, str]:
    """Run one request."""
    media_type = read_content_type(content_type)
    context = Context({}, "id", media_type.name, transformer.choose_accept(accept))
    answer, accepted = transformer.transform(body, media_type, context)
    assert isinstance(answer, bytes)
    return answer, accepted


DEFAULTS = Pipeline(Handler(model=None, predict_fn=double), "application/json")


@pytest.mark.parametrize(
    ("content_type", "body", "accept", "expected"),
    [
        ("text/csv", b"1,2\n", None, (b"[[2.0,4.0]]", "application/json")),
        ("text/csv; charset=utf-8", b"1,2\n", "text/csv", (b"2.0,4.0\n", "text/csv")),
        ("application/json", b"[[1, 2]]", "application/jsonlines", (b"[2,4]\n", "application/jsonlines")),
        ("application/json", b'{"instances": [1]}', None, (b'{"predictions":[2]}', "application/json")),
        ("application/json", b'{"instances": [1]}', "text/csv", (b"2\n", "text/csv")),
        ("application/jsonlines", b"[1]\n[2]\n", "text/csv;q=0.9, application/xml", (b"2\n4\n", "text/csv")),
    ],
)
def test_defaults_decode_and_encode(
    content_type: str, body: bytes, accept: str | None, expected: object
) -> None:
    """Without functions of the user's the codecs of Content-Type and Accept are used."""
    assert transform(DEFAULTS, body, content_type, accept) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "accept", "status"),
    [
        ("text/csv", b"", None, 400),
        ("text/csv", b"1", "application/pdf", 406),
        ("application/x-pickle", b"1", None, 415),
        ("application/x-pickle", b"1", "application/pdf", 406),
        ("text/csv; charset=nope", b"1", None, 415),
    ],
)
def test_bad_requests_are_refused(content_type: str, body: bytes, accept: str | None, status: int) -> None:
    """An empty body, an unknown type and an Accept that cannot be met each have their status."""
    with pytest.raises(RequestError) as caught:
        transform(DEFAULTS, body, content_type, accept)
    assert caught.value.status == status


def test_failure_names_the_function() -> None:
    """What a function raises is told by the function's name; the cause is kept for the log."""

    def fail(*arguments: object) -> None:
        raise KeyError(arguments)

    for name in ("input_fn", "predict_fn", "output_fn", "transform_fn"):
        functions: dict[str, Any] = {"predict_fn": double, name: fail}
        with pytest.raises(HandlerError) as caught:
            transform(
                Pipeline(Handler(model=None, **functions), "application/json"), b"[1]", "application/json"
            )
        assert caught.value.function == name
        assert isinstance(caught.value.__cause__, KeyError)


def test_own_output_is_offered_what_the_client_names() -> None:
    """output_fn gets a type that no codec writes, the default for `*/*`, and never a range."""
    handler = Handler(model=None, predict_fn=double, output_fn=lambda prediction, accept, context: accept)
    transformer = Pipeline(handler, "text/csv")
    for header, accept in [
        ("application/pdf", "application/pdf"),
        ("*/*", "text/csv"),
        (None, "text/csv"),
        ("text/*", "text/csv"),
    ]:
        assert transform(transformer, b"[1]", "application/json", header) == (accept.encode(), accept)


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/csv", str),
        ("text/csv; charset=latin-1", str),
        ("application/json", str),
        ("application/jsonlines", bytes),
        ("application/x-npy", bytes),
        ("application/pdf", bytes),
    ],
)
def test_own_input_gets_text_for_csv_and_json(content_type: str, kind: type) -> None:
    """input_fn gets str for the two text types and bytes for all others, with the bare type."""
    seen = []
    handler = Handler(
        model=None,
        predict_fn=lambda data, model, context: 1,
        input_fn=lambda data, name, context: seen.append((data, name)),
    )
    transform(Pipeline(handler, "application/json"), b"\x31", content_type)
    assert seen == [("1" if kind is str else b"1", content_type.partition(";")[0])]


SENT = [
    ("multipart/form-data; boundary=X7", "multipart/form-data; boundary=X7", bytes),
    ("audio/L16;rate=16000;channels=1", "audio/L16;rate=16000;channels=1", bytes),
    ("text/csv; header=present", "text/csv; header=present", str),
    ("text/csv; header=present; charset=utf-8", "text/csv; header=present; charset=utf-8", str),
    ("Application/JSON", "Application/JSON", str),
    (" application/json;charset=UTF-8 ", "application/json", str),
    ("application/json; charset=utf-16", "application/json; charset=utf-16", bytes),
    ("text/plain; charset=utf-8", "text/plain; charset=utf-8", bytes),
    ("csv", "csv", str),
    ("JPEG", "JPEG", bytes),
    ("URL", "URL", bytes),
    ("x-image", "x-image", bytes),
    ("image/", "image/", bytes),
    ("a/b, c/d", "a/b, c/d", bytes),
    ("text/csv; a", "text/csv; a", bytes),
    ("text/x; a=" + "b" * 2000, "text/x; a=" + "b" * 2000, bytes),
    ("", "application/json", str),
]


@pytest.mark.parametrize("function", ["input_fn", "transform_fn"])
@pytest.mark.parametrize("body", [b"1", b""])
@pytest.mark.parametrize(("header", "given", "kind"), SENT)
def test_own_functions_are_given_what_was_sent(
    header: str, given: str, kind: type, body: bytes, function: str
) -> None:
    """The type with its parameters and case, whatever it is, and any body; an applied charset is left out."""
    seen: list[object] = []

    def read(*arguments: object) -> str:
        data, content_type = arguments[:2] if function == "input_fn" else arguments[1:3]
        seen.extend([content_type, data, type(data)])
        return "1"

    functions: dict[str, Any] = {"predict_fn": double, function: read}
    transform(Pipeline(Handler(model=None, **functions), "application/json"), body, header)
    assert seen == [given, body.decode() if kind is str else body, kind]


@pytest.mark.parametrize("header", ["JPEG", "text/", "text/csv; a", "text/csv charset=x", "a/b, c/d"])
def test_codecs_refuse_what_is_no_media_type(header: str) -> None:
    """Without a function of the handler's own it is a bad request, one by one and in a batch."""
    with pytest.raises(RequestError) as caught:
        transform(DEFAULTS, b"1", header)
    assert caught.value.status == 400
    requests = [Request(b"1", read_content_type(header), Context({}, "id", header, "text/csv")) for _ in "ab"]
    answers = DEFAULTS.transform_batch(requests, Context())
    assert [answer.status for answer in answers if isinstance(answer, RequestError)] == [400, 400]


def test_default_accept_must_be_written_by_somebody() -> None:
    """A default that no codec writes is a configuration's fault, unless output_fn writes it."""
    handler = Handler(model=None, predict_fn=double)
    with pytest.raises(ContractError, match="SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT: found 'application/pdf'"):
        Pipeline(handler, "application/pdf")
    Pipeline(Handler(model=None, predict_fn=double, output_fn=lambda *_: b"png"), "application/pdf")


def test_arrays_of_one_request_are_its_own() -> None:
    """A handler may write into what it is given, for every type of body."""

    def fill(data: Any, model: Any, context: Context) -> Any:
        data[:] = 7
        return data

    transformer = Pipeline(Handler(model=None, predict_fn=fill), "text/csv")
    npy = transform(DEFAULTS, b"1,2", "text/csv", "application/x-npy")[0]
    assert transform(transformer, npy, "application/x-npy")[0] == b"7.0,7.0\n"
