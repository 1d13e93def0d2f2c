"""The WSGI application, called as a server calls it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import joblib
import numpy as np
import orjson
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.app.application import Application
from mlberth_serve.app.factory import create_app

IRIS, SPECIES = load_iris(return_X_y=True)


def post(application: Application, data: Any = b"[[1, 2]]", **more: Any) -> TestResponse:
    """Send one request to /invocations."""
    more.setdefault("content_type", "application/json")
    return Client(application).post("/invocations", data=data, **more)


def assert_error(response: TestResponse, status: int, code: str) -> None:
    """Assert that an answer has the one form of errors."""
    assert response.status_code == status
    assert response.content_type == "application/json"
    error = orjson.loads(response.data)["error"]
    assert error.keys() == {"code", "message", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == response.headers["X-Request-Id"]
    assert "Traceback" not in response.text
    assert "/opt/" not in response.text


@pytest.fixture
def iris(model_dir: Path) -> Application:
    """Return an application over a scikit-learn model, without any user code."""
    joblib.dump(LogisticRegression(max_iter=1000).fit(IRIS, SPECIES), model_dir / "model.joblib")
    application = create_app({"SAGEMAKER_BASE_DIR": str(model_dir.parent)})
    assert isinstance(application, Application)
    return application


def test_one_model_answers_the_same_in_every_type(iris: Application) -> None:
    """The same row in four types gets the same prediction, in four types."""
    row = IRIS[0].tolist()
    bodies: dict[str, Any] = {
        "text/csv": ",".join(map(str, row)),
        "application/json": orjson.dumps(row),
        "application/jsonlines": orjson.dumps(row) + b"\n",
    }
    for content_type, body in bodies.items():
        assert post(iris, body, content_type=content_type).data == b"[0]"
        assert post(iris, body, content_type=content_type, headers={"Accept": "text/csv"}).data == b"0\n"
        answer = post(iris, body, content_type=content_type, headers={"Accept": "application/x-npy"})
        assert answer.data.startswith(b"\x93NUMPY")
        assert post(iris, answer.data, content_type="application/x-npy").status_code == 400
    assert post(iris, b"[[5.1, 3.5, 1.4, 0.2]]", content_type=None).data == b"[0]"


def test_answer_has_length_type_and_id(iris: Application) -> None:
    """An answer says its type, its length and the request's id."""
    answer = post(iris, orjson.dumps(IRIS.tolist()), headers={"X-Request-Id": "a.b_c-1"})
    assert answer.status == "200 OK"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.data))
    assert answer.headers["X-Request-Id"] == "a.b_c-1"
    assert np.mean(np.array(orjson.loads(answer.data)) == SPECIES) > 0.9


def test_server_without_sessions_refuses_to_open_one(iris: Application) -> None:
    """If no code of the user's can keep sessions, a request that opens one is a 400."""
    header = "X-Amzn-SageMaker-Session-Id"
    for body, session in ((b"[5.1, 3.5, 1.4, 0.2]", "NEW_SESSION"), (b'{"requestType": "CLOSE"}', "x")):
        answer = post(iris, body, headers={header: session})
        assert_error(answer, 400, "bad_request")
        assert "stateful sessions not enabled" in answer.text
    assert post(iris, b"[5.1, 3.5, 1.4, 0.2]", headers={header: "x"}).data == b"[0]"


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "é", "a\tb", "<script>"])
def test_request_id_that_is_no_token_is_replaced(iris: Application, given: str) -> None:
    """An id that is not a short token is not reflected; each request gets one of its own."""
    ids = {post(iris, headers={"X-Request-Id": given}).headers["X-Request-Id"] for _ in range(2)}
    assert len(ids) == 2
    assert given not in ids


def test_instances_are_answered_with_predictions(iris: Application) -> None:
    """A request in the platform's common format is answered in it."""
    body = orjson.dumps({"instances": [{"features": row} for row in IRIS[:2].tolist()]})
    assert post(iris, body).data == b'{"predictions":[0,0]}'


BAD_REQUESTS = {
    "empty": ({"data": b""}, 400, "bad_request"),
    "not JSON": ({"data": b"{"}, 400, "bad_request"),
    "too few columns": ({"data": b"[1]"}, 400, "bad_request"),
    "unknown type": ({"content_type": "application/pdf"}, 415, "unsupported_media_type"),
    "unknown charset": (
        {"data": b"1", "content_type": "text/csv; charset=nope"},
        415,
        "unsupported_media_type",
    ),
    "type too long": ({"content_type": "text/csv;a=" + "b" * 10_000}, 400, "bad_request"),
    "no type at all": ({"content_type": "csv"}, 400, "bad_request"),
    "accept": ({"headers": {"Accept": "application/pdf"}}, 406, "not_acceptable"),
    "accept unreadable": ({"headers": {"Accept": "x"}}, 400, "bad_request"),
}


@pytest.mark.parametrize(("request_", "status", "code"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_bad_requests_have_their_status(iris: Application, request_: Any, status: int, code: str) -> None:
    """Each fault of a request has its status and code, in the one form of errors."""
    assert_error(post(iris, **request_), status, code)


def test_header_without_a_dash_counts_where_the_other_is_absent(iris: Application) -> None:
    """sagemaker-containers knows `ContentType`; the proper header wins."""
    row = b"5.1,3.5,1.4,0.2"
    assert post(iris, row, content_type=None, headers={"ContentType": "text/csv"}).data == b"[0]"
    assert post(iris, row, content_type="text/csv", headers={"ContentType": "a/b"}).data == b"[0]"
    assert_error(post(iris, row, content_type=None, headers={"ContentType": "a"}), 400, "bad_request")


def test_body_over_the_limit_is_refused(model_dir: Path, load_project: LoadProject) -> None:
    """The limit holds for bodies with a length and for chunked ones."""
    application = load_project("predict_only", SAGEMAKER_MAX_PAYLOAD_IN_MB="1")
    body = b"[" + b" " * 1024 * 1024 + b"1]"
    assert_error(post(application, body), 413, "payload_too_large")
    chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    assert_error(post(application, body, environ_overrides=chunked), 413, "payload_too_large")
    assert post(application, b" [1]", environ_overrides=chunked).data == b"[2]"


def test_ping_and_execution_parameters_are_answered(iris: Application) -> None:
    """The two other routes of the contract are there."""
    assert iris.loaded
    ping = Client(iris).get("/ping")
    assert (ping.status_code, ping.data) == (200, b"")
    assert "Content-Type" not in ping.headers
    parameters = Client(iris).get("/execution-parameters")
    assert parameters.content_type == "application/json"
    assert orjson.loads(parameters.data).keys() == {
        "MaxConcurrentTransforms",
        "BatchStrategy",
        "MaxPayloadInMB",
    }
    assert parameters.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/invocations", {"POST"}),
        ("OPTIONS", "/invocations", {"POST"}),
        ("TRACE", "/invocations", {"POST"}),
        ("POST", "/ping", {"GET", "HEAD"}),
        ("DELETE", "/execution-parameters", {"GET", "HEAD"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_wrong_method_is_told_the_right_one(
    iris: Application, method: str, path: str, allow: set[str]
) -> None:
    """A known path with another method is 405, and Allow lists what it takes."""
    answer = Client(iris).open(path, method=method)
    assert_error(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allow


@pytest.mark.parametrize(
    "path",
    [
        "/unknown",
        "//ping",
        "/ping/",
        "/pingfoo",
        "/invocations/",
        "/ping/../invocations",
        "/%2e%2e/etc/passwd",
        "/ping%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_path_is_not_found(iris: Application, path: str, method: str) -> None:
    """Anything but an exact path is 404, without a redirect."""
    # The client would take what follows two slashes for a host.
    answer = Client(iris).open("/x", method=method, environ_overrides={"PATH_INFO": unquote(path)})
    assert_error(answer, 404, "not_found")


def test_four_functions_with_context(load_project: LoadProject) -> None:
    """All four functions run, and the context reads and writes the custom attributes."""
    answer = post(
        load_project("four_functions"),
        b"1,2.5",
        content_type="text/csv; charset=utf-8",
        headers={"X-Amzn-SageMaker-Custom-Attributes": "trace=a"},
    )
    assert answer.data == b"10.0;25.0"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == "TRACE=A"
    assert answer.headers["X-Rows"] == "2"


def test_custom_attributes_are_not_echoed(load_project: LoadProject) -> None:
    """A handler that sets no custom attributes answers none."""
    answer = post(load_project("predict_only"), headers={"X-Amzn-SageMaker-Custom-Attributes": "a"})
    assert "X-Amzn-SageMaker-Custom-Attributes" not in answer.headers


def test_transform_fn_does_it_all(load_project: LoadProject) -> None:
    """transform_fn gets text for CSV and the chosen type, and its text is the body."""
    application = load_project("transform")
    answer = post(application, b"1,2", content_type="text/csv", headers={"Accept": "application/pdf"})
    assert answer.data == b"model str 3 text/csv application/pdf"
    assert answer.headers["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(
    ("output", "body", "content_type"),
    [
        ("str", "é".encode(), "application/json"),
        ("bytes", b"\x00\xff", "application/json"),
        ("bytearray", b"ab", "application/json"),
        ("pair", b"<p>", "text/html"),
        ("pair of a list", b"[1,2]", "application/json"),
        ("list", b"[1,2]", "application/json"),
        ("array", b"[0.1]", "application/json"),
        ("dict", b'{"label":"cat"}', "application/json"),
    ],
)
def test_outputs_are_written(load_project: LoadProject, output: str, body: bytes, content_type: str) -> None:
    """Bytes and text are the body, a pair names its type, and anything else is encoded."""
    answer = post(load_project("outputs"), output)
    assert (answer.status_code, answer.data, answer.content_type) == (200, body, content_type)


@pytest.mark.parametrize(
    ("output", "expected", "header"),
    [
        ("response", (201, b"[1]", "application/json"), "X-Own"),
        ("response of a type", (200, b"<p>", "text/html"), "X-Request-Id"),
        ("response without body", (204, b"", None), "X-Request-Id"),
        ("flask", (201, b"{}", "application/json"), "X-Own"),
        ("starlette", (202, b"rendered", "text/plain"), "X-Rendered"),
    ],
)
def test_responses_have_their_status_and_headers(
    load_project: LoadProject, output: str, expected: tuple[int, bytes, str | None], header: str
) -> None:
    """A Response, ours or of the shape of a web framework's, says all but its length."""
    answer = post(load_project("outputs"), output)
    assert (answer.status_code, answer.data, answer.content_type) == expected
    assert header in answer.headers
    assert answer.headers.get("Content-Length") in {None, str(len(answer.data))}


@pytest.mark.parametrize(
    "output",
    [
        "none",
        "header injection",
        "object",
        "response with a bad status",
        "response with a bad header",
        "response with a header of bytes",
        "response with a header of None",
        "response with a length",
    ],
)
def test_outputs_that_cannot_be_written_are_500(load_project: LoadProject, output: str) -> None:
    """What is of no known kind, or would break the answer, is the handler's failure."""
    answer = post(load_project("outputs"), output)
    assert_error(answer, 500, "handler_failed")
    assert "X-Evil" not in answer.headers


def test_streamed_response_of_a_web_framework(load_project: LoadProject) -> None:
    """Its pieces are streamed, under any WSGI server, with its own type."""
    answer = post(load_project("outputs"), "streamed")
    assert (answer.status_code, answer.data) == (200, b"ab")
    assert "Content-Length" not in answer.headers


def test_list_that_the_type_cannot_hold_is_not_acceptable(load_project: LoadProject) -> None:
    """A handler that returns a list cannot answer a client that wants a picture."""
    assert_error(
        post(load_project("outputs"), "list", headers={"Accept": "image/png"}), 406, "not_acceptable"
    )


def test_failure_of_a_function_is_logged_and_not_sent(
    load_project: LoadProject, caplog: pytest.LogCaptureFixture
) -> None:
    """The client reads the function's name and the id; the log has the traceback under that id."""
    answer = post(load_project("raises"), b"value", headers={"X-Request-Id": "r-1"})
    assert_error(answer, 500, "handler_failed")
    assert "predict_fn" in answer.text
    assert "password" not in answer.text
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "request r-1: predict_fn failed")
    assert record.exc_info
    assert "the password is in" in str(record.exc_info[1])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"bad", 400, "bad_request"),
        (b"teapot", 418, "teapot"),
        (b"status", 500, "handler_failed"),
        (b"header", 500, "handler_failed"),
        (b"attributes", 500, "handler_failed"),
    ],
)
def test_handler_chooses_its_errors(load_project: LoadProject, body: bytes, status: int, code: str) -> None:
    """A RequestError is the answer as it stands; a misuse of the context is a failure, sets no header."""
    answer = post(load_project("raises"), body)
    assert_error(answer, status, code)
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("attributes", ["a" * 1025, "a\x01b", "\xff"])
def test_custom_attributes_out_of_bounds_are_refused(iris: Application, attributes: str) -> None:
    """What the platform would not have passed on is 400, and is not reflected."""
    name = "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES"
    answer = post(iris, b"[[1, 2, 3, 4]]", environ_overrides={name: attributes})
    assert_error(answer, 400, "bad_request")
    assert attributes not in answer.text
    assert post(iris, b"[[1, 2, 3, 4]]", environ_overrides={name: "a" * 1024}).status_code == 200


def test_handler_chooses_its_status(load_project: LoadProject) -> None:
    """A status set on the context is the answer's; 204 comes without a body."""
    application = load_project("raises")
    assert post(application, b"created").status == "201 Created"
    answer = post(application, b"no content")
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Length" not in answer.headers


def test_before_the_load_everything_is_503(make_application: LoadProject) -> None:
    """Neither /ping nor /invocations answers 200 before the model is there."""
    application = make_application("predict_only")
    assert not application.loaded
    assert_error(Client(application).get("/ping"), 503, "not_ready")
    assert_error(post(application), 503, "not_ready")
    application.load()
    assert application.load_seconds > 0
    assert Client(application).get("/ping").status_code == 200


def test_failed_load_keeps_what_was_there(
    load_project: LoadProject, model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A second load swaps the model when it succeeds; when it fails the log has the user's frames alone."""
    application = load_project("predict_only")
    program = model_dir / "code" / "inference.py"
    program.write_text(program.read_text().replace("return 2", "return 30"))
    application.load()
    assert post(application, b"[1]").data == b"[30]"
    program.write_text("1 / 0\n")
    with pytest.raises(ModelLoadError):
        application.load()
    assert post(application, b"[1]").data == b"[30]"
    assert "ZeroDivisionError" in caplog.text
    assert "exec_module" not in caplog.text


def test_faulty_default_accept_is_the_configurations_fault(load_project: LoadProject) -> None:
    """A default that is no media type ends the load with the variable's name."""
    with pytest.raises(ContractError, match="SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"):
        load_project("predict_only", SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="cvs")
    application = load_project("predict_only", SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv; charset=utf-8")
    assert post(application, b"[1]").content_type == "text/csv"
