"""The multi-model API, through nginx: what each request is answered, and in which order."""

from __future__ import annotations

import json
import threading
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from tests.serve.models import ModelsServer
from tests.serve.running import Server
from tests.support import wait_until

from mlberth_serve.control.nginx.models import slot_in


def error(answer: object) -> dict[str, object]:
    """Return the error of an answer in multi-model-server's form."""
    found: dict[str, object] = json.loads(answer.body)  # type: ignore[attr-defined]
    assert set(found) == {"code", "type", "message"}
    assert found["code"] == answer.status  # type: ignore[attr-defined]
    return found


def test_the_platforms_own_sequence(server: ModelsServer) -> None:
    """List, load, load again, show, list, invoke, unload, unload again, invoke: as AWS tests containers."""
    model = str(server.write("aws"))
    assert server.ping() == 200
    assert server.names() == []
    loaded = server.load("aws")
    assert (loaded.status, json.loads(loaded.body)) == (200, {"status": "Workers scaled"})
    again = server.load("aws")
    assert again.status == 409
    assert error(again)["type"] == "ConflictStatusException"
    assert error(again)["message"] == "Model aws is already registered."
    shown = server.show("/models/aws")
    assert (shown["modelName"], shown["modelUrl"]) == ("aws", model)
    assert server.show("/models") == {"models": [{"modelName": "aws", "modelUrl": model}]}
    answer = server.ask("aws", "hello", **{"Content-Type": "text/plain"})
    assert (answer.status, answer.body) == (200, b"hello")
    unloaded = server.unload("aws")
    assert (unloaded.status, json.loads(unloaded.body)) == (200, {"status": 'Model "aws" unregistered'})
    assert server.unload("aws").status == 404
    gone = server.ask("aws", "hello")
    assert gone.status == 404
    assert error(gone)["message"] == "Model not found: aws"
    assert server.names() == []


@pytest.mark.parametrize(
    ("name", "url", "status"),
    [
        ("", None, 400),
        ("..", None, 400),
        (".hidden", None, 400),
        ("a/b", None, 400),
        ("a%2fb", None, 400),
        ("a b", None, 400),
        ("é", None, 400),
        ("n" * 97, None, 400),
        ("n" * 1024, None, 400),
        ("ok", "", 400),
        ("ok", 5, 400),
        ("ok", "/etc", 400),
        ("ok", "/dev/shm", 400),
        ("ok", "/proc/self/cwd", 400),
        ("ok", "/sys", 400),
        ("ok", "/", 400),
        ("ok", "ROOT", 400),
        ("ok", "ROOT/../models/real/model", 404),
        ("ok", "../real/model", 404),
        ("ok", "ROOT/link", 400),
        ("ok", "ROOT/loop", 404),
        ("ok", "ROOT/file", 404),
        ("ok", "ROOT/missing", 404),
        ("ok", "ROOT/" + "x" * 5000, 404),
        ("ok", "ROOT/a\0b", 400),
    ],
)
def test_names_and_folders_that_are_refused(
    server: ModelsServer, name: str, url: object, status: int
) -> None:
    """Nothing is looked for outside the folder of the models, and no name leads elsewhere."""
    server.write("real")
    for link, target in (("link", "/etc"), ("loop", "loop"), ("file", "real/model/code/inference.py")):
        if not (path := server.models / link).is_symlink():
            path.symlink_to(target)
    if isinstance(url, str):
        url = url.replace("ROOT", str(server.models))
    answer = server.load(name, url)
    assert answer.status == status, answer.body
    assert "Parameter" in str(error(answer)["message"]) or status == 404
    assert server.names() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b"null", b'{"url": 5}', b"\xff", b"[" * 50000, b'{"model_name": ["x"]}']
)
def test_bodies_that_are_no_request_to_load(server: ModelsServer, body: bytes) -> None:
    """Each is a 400 in words, and the server lives."""
    answer = server.request("POST", "/models", body)
    assert answer.status == 400
    assert error(answer)["type"] == "BadRequestException"


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/models", 405, "GET, HEAD, POST"),
        ("POST", "/models/x", 405, "GET, HEAD, DELETE"),
        ("PUT", "/models/x", 405, "GET, HEAD, DELETE"),
        ("GET", "/models/x/invoke", 405, "POST"),
        ("DELETE", "/models/x/invoke", 405, "POST"),
        ("GET", "/models/", 404, None),
        ("GET", "/models/x", 404, None),
        ("GET", "/models/%2e%2e/x", 404, None),
        ("DELETE", "/models/..%2fx", 404, None),
        ("GET", "/models/" + "x" * 1024, 404, None),
        ("POST", "/models/" + "x" * 1024 + "/invoke", 404, None),
        ("POST", "/models/%2e%2e/invoke", 404, None),
        ("POST", "/models/..%2f..%2fetc/invoke", 400, None),
        ("POST", "/models/x%00/invoke", 400, None),
        ("POST", "/models/x/predict", 404, None),
        ("POST", "/models//invoke", 404, None),
        ("POST", "/invocations", 404, None),
        ("GET", "/modelsx", 404, None),
    ],
)
def test_methods_and_paths(
    server: ModelsServer, method: str, path: str, status: int, allow: str | None
) -> None:
    """405 with the methods that a path takes; 404 for every other path, with dots and slashes too."""
    answer = server.request(method, path, b"{}" if method in ("PUT", "POST") else None)
    assert (answer.status, answer.headers["Allow"]) == (status, allow)
    assert b"Traceback" not in answer.body


def test_the_list_comes_in_pages(server: ModelsServer) -> None:
    """By name, `limit` at a time; what is no number is refused."""
    names = [f"page{number}" for number in range(5)]
    for name in names:
        server.write(name)
        assert server.load(name).status == 200
    found, token = [], "0"
    while token:
        page = server.show(f"/models?limit=2&next_page_token={token}")
        found += [model["modelName"] for model in page["models"]]
        token = page.get("nextPageToken")
    assert found == names
    assert server.request("HEAD", "/models").body == b""
    for query in ("limit=0", "limit=101", "limit=x", "limit=-1", "next_page_token=x", "limit=" + "9" * 99):
        assert server.request("GET", f"/models?{query}").status == 400
    for name in names:
        server.unload(name)


def test_a_model_that_cannot_be_loaded_says_why(server: ModelsServer) -> None:
    """500 with the cause, without a path of this machine, and the name is free again."""
    server.write("broken", "import missing_module\n")
    (server.models / "empty" / "model").mkdir(parents=True)
    for name, cause in (("broken", "missing_module"), ("empty", "nothing in it")):
        answer = server.load(name)
        assert answer.status == 500, answer.body
        assert cause in str(error(answer)["message"])
        assert str(server.models) not in answer.body.decode()
    server.write("broken")
    assert server.load("broken").status == 200
    server.unload("broken")


def test_the_same_request_gets_the_same_bytes_as_from_a_server_of_one_model(
    server: ModelsServer, tmp_path: Path
) -> None:
    """Bodies, statuses and headers, errors included; the default handlers of a framework too."""
    model = LinearRegression().fit(np.eye(3), [1.0, 2.0, 3.0])
    folders = tmp_path / "ml" / "model", server.models / "line" / "model"
    for folder in folders:
        folder.mkdir(parents=True)
        joblib.dump(model, folder / "model.joblib")
    assert server.load("line").status == 200
    requests = [
        ("1,2,3\n4,5,6", {"Content-Type": "text/csv"}),
        ("[[1,2,3]]", {"Content-Type": "application/json", "Accept": "text/csv"}),
        ("[[1,2]]", {"Content-Type": "application/json"}),
        ("{", {"Content-Type": "application/json"}),
        ("", {"Content-Type": "text/csv"}),
        ("1,2,3", {"Content-Type": "image/png"}),
        ("1,2,3", {"Content-Type": "text/csv", "Accept": "image/png"}),
    ]
    own = {"Date", "X-Request-Id"}
    with Server(tmp_path, "mlberth_serve.wsgi:application") as alone:
        alone.wait_ready()
        for body, headers in requests:
            one, several = alone.invoke(body, **headers), server.ask("line", body, **headers)
            assert (one.status, one.body if one.status == 200 else one.error["message"]) == (
                several.status,
                several.body if several.status == 200 else several.error["message"],
            )
            assert {k: v for k, v in one.headers.items() if k not in own} == {
                k: v for k, v in several.headers.items() if k not in own
            }
    server.unload("line")


def test_the_slot_of_a_name_is_the_one_that_nginx_takes(server: ModelsServer) -> None:
    """Requests reach the very model, also where two models' names have one slot."""
    by_slot: dict[int | None, str] = {}
    names: list[str] = []
    for number in range(
        10_000
    ):  # three of one slot, so that the first place, the second and the last are taken
        name = f"slot{number}"
        same = [other for other in names if slot_in(0, other) == slot_in(0, name)]
        if not names or same:
            names.append(name)
        if len(names) == 3:
            break
        by_slot[slot_in(0, name)] = name
    assert zlib.crc32(names[0].encode()) >> 16 & 0x7FFF
    for name in names:
        server.write(
            name,
            f"""
            def model_fn(model_dir):
                return None
            def predict_fn(data, model):
                return ["{name}"]
        """,
        )
        assert server.load(name).status == 200
    for name in names * 3:
        assert json.loads(server.ask(name, "[1]").body) == [name]
    for name in names:
        server.unload(name)


def test_loads_and_unloads_of_one_name_are_in_order(server: ModelsServer) -> None:
    """A load, an unload and a load that come at once end one after the other, and none gets lost."""
    server.write(
        "slow",
        "import time\ntime.sleep(0.3)\n" + "\ndef model_fn(model_dir): return None\n"
        "def predict_fn(data, model): return data\n",
    )
    statuses: list[int] = []

    def call(method: str) -> None:
        answer = server.load("slow") if method == "POST" else server.unload("slow")
        statuses.append(answer.status)

    threads = []
    for method in ("POST", "DELETE", "POST"):
        thread = threading.Thread(target=call, args=(method,))
        thread.start()
        threads.append(thread)
        # Each is known to the server before the next is sent: by the bytes that nobody has read any more.
        wait_until(lambda: server.ping() == 200)
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) in ([200, 200, 200], [200, 200, 404], [200, 404, 409])
    server.unload("slow")


def test_metrics_and_documents(server: ModelsServer) -> None:
    """Series for each model, sums that never go down, and documents of the routes that are served."""
    server.write("counted")
    server.load("counted")
    for _ in range(3):
        assert server.ask("counted", "x").status == 200
    line = 'mlberth_model_requests_total{model="counted",status="2xx"} 3.0'
    wait_until(lambda: line in server.request("GET", "/metrics").body.decode())
    total = _requests_total(server)
    server.unload("counted")
    wait_until(lambda: 'model="counted"' not in server.request("GET", "/metrics").body.decode())
    assert _requests_total(server) >= total
    assert "/models/{model_name}/invoke" in server.show("/openapi.json")["paths"]
    assert "POST /models" in server.show("/")["routes"]
    assert server.show("/execution-parameters")["MaxPayloadInMB"] == 6


def _requests_total(server: ModelsServer) -> float:
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("mlberth_requests_total{"))


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"SAGEMAKER_USE_NGINX": "false"}, "SAGEMAKER_USE_NGINX: found false; expected true"),
        ({"SAGEMAKER_SERVING_MODULE": "a.b:c"}, "SAGEMAKER_SERVING_MODULE"),
    ],
)
def test_what_cannot_be_had_with_several_models_is_refused(
    tmp_path: Path, variables: dict[str, str], fault: str
) -> None:
    """At the start, by name."""
    with ModelsServer(tmp_path, **variables) as server:
        assert server.process.wait(20) != 0
        assert fault in server.text


def test_without_nginx_the_server_refuses_to_start(tmp_path: Path) -> None:
    """A model is found by nginx, which has to be there."""
    empty = tmp_path / "bin"
    empty.mkdir()
    with ModelsServer(tmp_path, PATH=str(empty)) as server:
        assert server.process.wait(20) != 0
        assert "nginx, for SAGEMAKER_MULTI_MODEL" in server.text
