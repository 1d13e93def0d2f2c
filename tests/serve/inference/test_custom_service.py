"""Custom services of model servers, and what the stand-ins of other containers know of the server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth.errors import ModelLoadError
from mlberth_serve.app.application import Application
from mlberth_serve.app.wsgi_passthrough import WsgiPassthrough
from mlberth_serve.codecs import recordio
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.load_errors import UserCodeError

XGBOOST_HANDLER = """
from sagemaker_xgboost_container import encoder
from sagemaker_containers.beta.framework import env


def model_fn(model_dir):
    return env.ServingEnv()


def input_fn(input_data, content_type):
    return encoder.decode(input_data, content_type)


def predict_fn(data, model):
    shape = [data.num_row(), data.num_col()]
    return shape + [model.model_server_workers, model.safe_port_range, model.http_port]
"""


def post(application: Application, body: bytes, content_type: str, **headers: str) -> TestResponse:
    """Send a prediction request."""
    return Client(application).post("/invocations", data=body, content_type=content_type, headers=headers)


def write_handler(model_dir: Path, text: str) -> None:
    """Write inference.py."""
    (model_dir / "code").mkdir(parents=True)
    (model_dir / "code/inference.py").write_text(text)


def test_class_without_an_entry_point(load_project: LoadProject) -> None:
    """The one class with `handle` is made once and initialized; bytes are bytes, the type is its own."""
    application = load_project("peer_torchserve", SAGEMAKER_PROGRAM="model_handler.py")
    answer = post(application, b"\xff\x00", "application/octet-stream")
    assert (answer.status_code, answer.data, answer.content_type) == (200, b"6", "text/plain")


def test_manifest_of_an_archive_is_read(load_project: LoadProject, model_dir: Path) -> None:
    """An unpacked archive names its model's file, whatever lies beside it."""
    (model_dir / "MAR-INF").mkdir()
    manifest = {"model": {"modelName": "m", "serializedFile": "weights"}}
    (model_dir / "MAR-INF/MANIFEST.json").write_text(json.dumps(manifest))
    (model_dir / "weights").write_text("5")
    application = load_project("peer_torchserve", SAGEMAKER_PROGRAM="model_handler.py")
    assert post(application, b"1", "application/octet-stream").data == b"5"


def test_manifest_that_cannot_be_read_is_named(load_project: LoadProject, model_dir: Path) -> None:
    """The model is not loaded, and the error names the file and the place in it."""
    (model_dir / "MAR-INF").mkdir()
    (model_dir / "MAR-INF/MANIFEST.json").write_text('{"model": {},}')
    with pytest.raises(UserCodeError, match=r"MANIFEST.json: found .* line 1, column"):
        load_project("peer_torchserve", SAGEMAKER_PROGRAM="model_handler.py")


def test_handler_service(load_project: LoadProject) -> None:
    """A service on sagemaker-inference-toolkit's classes decodes bodies itself, and its errors are ours."""
    application = load_project(
        "peer_handler_service",
        SAGEMAKER_PROGRAM="handler_service.py",
        SAGEMAKER_MODEL_SERVER_TIMEOUT="100",
    )
    answer = post(application, b"[1, 2]", "application/json; charset=utf-8")
    assert (answer.status_code, answer.get_json()) == (200, [101, 102]), answer.text
    answer = post(application, b"1,2", "text/csv", Accept="text/csv")
    assert (answer.data, answer.content_type) == (b"101\n102\n", "text/csv")
    npy = post(application, answer.data, "text/csv", Accept="application/x-npy").data
    assert post(application, npy, "application/x-npy").get_json() == [301, 302]
    assert post(application, b"1,2,3,4", "text/csv").status_code == 422
    assert post(application, b"1", "image/png").status_code == 415
    assert post(application, b"1", "text/csv", Accept="image/png").status_code == 406


def test_answers_that_are_no_batch(load_project: LoadProject, model_dir: Path) -> None:
    """Where the answer is not a list of one it is a 500, and the log alone says why."""
    write_handler(model_dir, "def handle(data, context):\n    return None if data is None else ['a', 'b']\n")
    assert post(load_project(), b"1", "text/csv").status_code == 500


def test_two_services(load_project: LoadProject, model_dir: Path) -> None:
    """Nobody guesses which of two classes is meant."""
    kind = "class {}:\n    def handle(self, data, context):\n        return data\n"
    write_handler(model_dir, kind.format("A") + kind.format("B"))
    with pytest.raises(ModelLoadError, match="several classes with handle: A, B"):
        load_project()


def test_recordio_and_the_server_in_the_stand_ins(load_project: LoadProject, model_dir: Path) -> None:
    """The XGBoost container's encoder reads recordio-protobuf, and ServingEnv has the server's settings."""
    pytest.importorskip("xgboost")
    write_handler(model_dir, XGBOOST_HANDLER)
    application = load_project(SAGEMAKER_SAFE_PORT_RANGE="9000-9100")
    body = recordio.encode(np.ones((2, 3), np.float32))
    answer = post(application, body, "application/x-recordio-protobuf")
    assert answer.get_json() == [2, 3, 2, "9000-9100", "8080"], answer.text


def test_application_of_the_users_asks_the_stand_ins(model_dir: Path) -> None:
    """A WSGI application finds the server's settings there as well."""
    (model_dir / "code").mkdir()
    (model_dir / "code/served.py").write_text(
        "from sagemaker_containers import _env\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [_env.ServingEnv().http_port.encode()]\n"
    )
    environ = {
        "SAGEMAKER_BASE_DIR": str(model_dir.parent),
        "SAGEMAKER_BIND_TO_PORT": "9000",
        "SAGEMAKER_SERVING_MODULE": "served:app",
    }
    guest = WsgiPassthrough(Settings.from_environ(environ))
    guest.load()
    assert Client(guest).get("/").data == b"9000"


FIELDS = """
def handle(data, context):
    if data is None:
        return None
    return [{name: [type(value).__name__, str(value)] for name, value in data[0].items()}]
"""
PART = 'Content-Disposition: form-data; name="{}"'
FORM = "--x7\r\n" + "\r\n--x7\r\n".join(
    [
        PART.format("file1") + '; filename="a.bin"\r\nContent-Type: application/octet-stream\r\n\r\nA\r\nA',
        PART.format("title") + "\r\n\r\nhello",
        PART.format("note") + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nh\u00e9",
        PART.format("rows") + "\r\nContent-Type: application/json\r\n\r\n[12345678901234567890123]",
        PART.format("empty") + "\r\n\r\n",
    ]
)
FORM += "\r\n--x7--\r\n"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x7"
RAW = {
    "file1": ["bytes", "b'A\\r\\nA'"],
    "title": ["bytes", "b'hello'"],
    "note": ["bytes", "b'h\\xc3\\xa9'"],
    "rows": ["bytes", "b'[12345678901234567890123]'"],
    "empty": ["bytes", "b''"],
}
DECODED = RAW | {"note": ["str", "h\u00e9"], "rows": ["list", "[12345678901234567890123]"]}


@pytest.mark.parametrize(
    ("content_type", "body", "fields"),
    [
        (MULTIPART, FORM.encode(), DECODED),
        ("Multipart/Form-Data; Boundary=x7", FORM.encode(), DECODED),
        (
            "application/x-www-form-urlencoded",
            b"a=1%2B1&b=",
            {"a": ["bytes", "b'1+1'"], "b": ["bytes", "b''"]},
        ),
        ("application/json", b'{"a": 1}', {"body": ["dict", "{'a': 1}"]}),
        ("application/json; charset=utf-8", b"[1]", {"body": ["list", "[1]"]}),
        ("text/plain", b"a", {"body": ["str", "a"]}),
        ("JPEG", b"a", {"body": ["bytes", "b'a'"]}),
        ("application/json", b"", {"body": ["bytes", "b''"]}),
    ],
)
def test_service_is_given_the_fields_of_a_form(
    load_project: LoadProject, model_dir: Path, content_type: str, body: bytes, fields: dict[str, list[str]]
) -> None:
    """Each part under its name, as its own type says; any other body under `body`."""
    write_handler(model_dir, FIELDS)
    assert post(load_project(), body, content_type).json == fields


def test_service_that_decodes_by_itself(load_project: LoadProject, model_dir: Path) -> None:
    """With MMS_DECODE_INPUT_REQUEST=false all is bytes, as the variable has it there."""
    write_handler(model_dir, FIELDS)
    application = load_project(MMS_DECODE_INPUT_REQUEST="false")
    assert post(application, FORM.encode(), MULTIPART).json == RAW
    assert post(application, b"[1]", "application/json").json == {"body": ["bytes", "b'[1]'"]}


def test_query_is_among_the_fields(load_project: LoadProject, model_dir: Path) -> None:
    """A query's fields stand beside the body."""
    write_handler(model_dir, FIELDS)
    answer = Client(load_project()).post("/invocations?top=3", data=b"a", content_type="text/plain")
    assert answer.json == {"top": ["bytes", "b'3'"], "body": ["str", "a"]}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", FORM.encode()),
        (MULTIPART, FORM.encode()[:-20]),
        (MULTIPART, b"[1]"),
        (MULTIPART, FORM.replace("[1234", "[x").encode()),
        (MULTIPART, (("--x7\r\n" + PART.format("a") + "\r\n\r\n1\r\n") * 1001 + "--x7--\r\n").encode()),
        (URLENCODED, b"a=1&" * 1001),
    ],
    ids=["no boundary", "cut off", "no form", "part that is no JSON", "many parts", "many fields"],
)
def test_form_that_cannot_be_read(
    load_project: LoadProject, model_dir: Path, content_type: str, body: bytes
) -> None:
    """It is the client's fault."""
    write_handler(model_dir, FIELDS)
    assert post(load_project(), body, content_type).status_code == 400


SERVICE = """
from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer


class Sent(DefaultInferenceHandler):
    def default_model_fn(self, model_dir, context=None):
        return None

    def default_input_fn(self, input_data, content_type, context=None):
        return [content_type, type(input_data).__name__]

    def default_predict_fn(self, data, model, context=None):
        return data


class HandlerService(DefaultHandlerService):
    def __init__(self):
        super().__init__(transformer=Transformer(default_inference_handler=Sent()))
"""


@pytest.mark.parametrize(
    ("sent", "given", "kind"),
    [
        (MULTIPART, MULTIPART, "bytes"),
        ("audio/L16;rate=16000", "audio/L16;rate=16000", "bytes"),
        ("text/csv; header=present", "text/csv; header=present", "str"),
        ("application/json; charset=utf-8", "application/json", "str"),
        ("JPEG", "JPEG", "bytes"),
    ],
)
def test_handler_service_is_given_what_was_sent(
    load_project: LoadProject, model_dir: Path, sent: str, given: str, kind: str
) -> None:
    """The toolkit's own transformer hands the content type on as it was sent."""
    write_handler(model_dir, SERVICE)
    assert json.loads(post(load_project(), b"x", sent).data) == [given, kind]
