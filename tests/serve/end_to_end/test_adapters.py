"""Adapters: registered, named by requests, updated and unregistered, in every worker."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.serve.running import PROJECTS, Answer, Server
from tests.support import wait_until

IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"
ALIAS = "X-Amzn-SageMaker-Adapter-Alias"


class Adapting(Server):
    """A server of the project `stateful`, with two workers, and sources of adapters below its folder."""

    def __init__(self, folder: Path, **variables: str) -> None:
        shutil.copytree(PROJECTS / "stateful", folder / "ml/model/code")
        self.sources = folder / "ml/adapters"
        self.sources.mkdir()
        super().__init__(folder, "mlberth_serve.wsgi:application", **variables)

    def __enter__(self) -> Adapting:
        super().__enter__()
        return self

    def write(self, name: str, text: str) -> str:
        """Write a source, and return its path."""
        (self.sources / name).write_text(text)
        return str(self.sources / name)

    def post(self, path: str, fields: object, **headers: str) -> Answer:
        """Register or update an adapter."""
        return self.request("POST", path, json.dumps(fields).encode(), headers)

    def register(self, name: str, text: str, **more: Any) -> Answer:
        """Register an adapter that is a file of some text."""
        return self.post("/adapters", {"name": name, "src": self.write(name, text), **more})

    def ask(self, name: str) -> Any:
        """Return what a prediction with an adapter is answered."""
        answer = self.invoke('{"kind": "adapter"}', **({IDENTIFIER: name} if name else {}))
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def names(self) -> list[str]:
        """Return the names of those that are registered."""
        page = json.loads(self.request("GET", "/adapters").body)
        return [adapter["name"] for adapter in page["adapters"]]


@pytest.fixture(scope="module")
def server(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adapting]:
    """Run two workers with adapters, behind nginx or not."""
    with Adapting(tmp_path_factory.mktemp("s"), SAGEMAKER_USE_NGINX=front) as running:
        running.wait_ready()
        yield running


def assert_missing(answer: Answer, name: str) -> None:
    """Assert that an answer says that there is no such adapter, in the platform's words."""
    assert (answer.status, answer.error["message"]) == (404, f"The adapter {name} was not found")


def test_an_adapter_from_its_beginning_to_its_end(server: Adapting) -> None:
    """Register, again, list, ask, update, ask, unregister, again, ask: each in the platform's words."""
    answer = server.register("fr", "one", pin=True)
    assert (answer.status, answer.body) == (200, b"Adapter fr registered")
    assert "/adapters" in json.loads(server.request("GET", "/openapi.json").body)["paths"]
    assert answer.headers["Content-Type"] == "text/plain"
    again = server.register("fr", "one")
    assert (again.status, again.error["code"]) == (409, "adapter_exists")
    page = json.loads(server.request("GET", "/adapters").body)
    src = str(server.sources / "fr")
    assert page == {"adapters": [{"name": "fr", "src": src, "preload": True, "pin": True}]}
    assert server.ask("fr")["adapter"] == "fr:one"
    assert server.ask("")["adapter"] is None
    updated = server.post("/adapters/fr", {"src": server.write("fr2", "two")}, **{ALIAS: "French"})
    assert (updated.status, updated.body) == (200, b"Adapter French updated")
    assert {server.ask("fr")["adapter"] for _ in range(8)} == {"fr:two"}
    removed = server.request("DELETE", "/adapters/fr")
    assert (removed.status, removed.body) == (200, b"Adapter fr unregistered")
    assert_missing(server.request("DELETE", "/adapters/fr"), "fr")
    assert_missing(server.post("/adapters/fr", {"src": src}), "fr")
    assert_missing(server.invoke('{"kind": "adapter"}', **{IDENTIFIER: "fr"}), "fr")


def test_every_worker_has_an_adapter(server: Adapting) -> None:
    """Both load it; what is unregistered is unloaded with the next request that names another."""
    server.register("all", "here", preload=False)
    server.register("other", "there")
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(server.ask, ("all", "other")[n % 2]) for n in range(60)]
        assert len({one.result()["pid"] for one in found}) == 2
        assert {one.result()["adapter"] for one in found} == {"all:here", "other:there"}
        server.request("DELETE", "/adapters/all")
        after = [pool.submit(server.ask, "other") for _ in range(60)]
        assert all("all" not in one.result()["loaded"] for one in after)
    server.request("DELETE", "/adapters/other")


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("broken", 500, "handler_failed"),
        ("memory", 507, "out_of_memory"),
        ("refused", 422, "wrong_rank"),
    ],
)
def test_adapters_that_do_not_load(server: Adapting, text: str, status: int, code: str) -> None:
    """The answer says so, without what the exception says, and the name stays free."""
    answer = server.register("bad", text)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert b"secret" not in answer.body
    assert server.names() == []
    assert server.register("bad", text, preload=False).status == 200
    assert server.invoke('{"kind": "adapter"}', **{IDENTIFIER: "bad"}).status == status
    assert server.ask("")["adapter"] is None
    assert server.request("DELETE", "/adapters/bad").status == 200


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"name": "a"}, 400),
        ({"name": "", "src": "SOURCE"}, 400),
        ({"name": "../a", "src": "SOURCE"}, 400),
        ({"name": ".a", "src": "SOURCE"}, 400),
        ({"name": "a" * 97, "src": "SOURCE"}, 400),
        ({"name": 5, "src": "SOURCE"}, 400),
        ({"name": "a", "src": ""}, 400),
        ({"name": "a", "src": 5}, 400),
        ({"name": "a", "src": "SOURCE", "preload": "yes"}, 400),
        ({"name": "a", "src": "SOURCE", "pin": 1}, 400),
        ({"name": "a", "src": "/etc/passwd"}, 400),
        ({"name": "a", "src": "/proc/self/environ"}, 400),
        ({"name": "a", "src": "SOURCE/../../../log"}, 400),
        ({"name": "a", "src": "/no/such/place"}, 400),
        ({"name": "a", "src": "adapters/../../log"}, 400),
        ({"name": "a", "src": "LINK"}, 400),
        ({"name": "a", "src": "."}, 400),
        ({"name": "a", "src": "adapters/missing"}, 404),
        ({"name": "a", "src": "x" * 5000}, 404),
        ({"name": "a", "src": "a\0b"}, 404),
    ],
)
def test_requests_that_are_refused(server: Adapting, fields: Any, status: int) -> None:
    """No name and no source leads out of the folder of the server's data."""
    link = server.sources / "link"
    if not link.is_symlink():
        link.symlink_to("/etc/passwd")
    source = server.write("ok", "fine")
    if isinstance(fields, dict) and isinstance(fields.get("src"), str):
        fields = {**fields, "src": fields["src"].replace("SOURCE", source).replace("LINK", str(link))}
    answer = server.post("/adapters", fields)
    assert answer.status == status, answer.body
    assert answer.error["request_id"]
    assert server.names() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 50000, b'"' + b"a" * 70000 + b'"'])
def test_bodies_that_are_no_request(server: Adapting, body: bytes) -> None:
    """Each is a 400, or a 413, and the server lives."""
    assert server.request("POST", "/adapters", body).status == (413 if len(body) > 65536 else 400)


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", "é".encode().decode("latin-1"), "a" * 200])
def test_names_of_no_adapter(server: Adapting, name: str) -> None:
    """A prediction that names what cannot be is a 404; an empty name is none."""
    answer = server.invoke('{"kind": "adapter"}', **{IDENTIFIER: name})
    assert answer.status == (404 if name else 200)
    # nginx takes the first for `/`, and the last for a fault.
    for path in ("%2e%2e", "%2e%2e%2fx", "a%2fb", "%00"):
        assert server.request("DELETE", f"/adapters/{path}").status in (400, 404, 405)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("PUT", "/adapters", {"GET", "POST", "HEAD"}), ("GET", "/adapters/x", {"POST", "DELETE"})],
)
def test_other_methods(server: Adapting, method: str, path: str, allow: set[str]) -> None:
    """405, with those that are taken."""
    answer = server.request(method, path)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == allow


def test_pages(server: Adapting) -> None:
    """At most 100 at once; the token leads to the rest."""
    for number in range(5):
        server.register(f"p{number}", "page", preload=False)
    page = json.loads(server.request("GET", "/adapters?limit=3").body)
    assert ([one["name"] for one in page["adapters"]], page["nextPageToken"]) == (["p0", "p1", "p2"], "3")
    page = json.loads(server.request("GET", "/adapters?limit=3&next_page_token=3").body)
    assert ([one["name"] for one in page["adapters"]], "nextPageToken" in page) == (["p3", "p4"], False)
    for query in ("limit=0", "limit=101", "limit=x", "next_page_token=-1"):
        assert server.request("GET", f"/adapters?{query}").status == 400
    for number in range(5):
        server.request("DELETE", f"/adapters/p{number}")


def test_registered_by_many_at_once(server: Adapting) -> None:
    """One of them is told 200, the others 409."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.register("race", "x").status, range(8)))
    assert sorted(answers) == [200] + [409] * 7
    server.request("DELETE", "/adapters/race")


def test_adapters_outlive_workers_and_reloads(tmp_path: Path) -> None:
    """A new worker, and a new generation of them, loads what is registered when it is asked for."""
    with Adapting(tmp_path, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        server.wait_ready()
        server.register("kept", "text")
        first = server.ask("kept")["pid"]
        with contextlib.suppress(OSError):
            assert server.register("fatal", "die").status == 502
        assert server.ask("kept")["adapter"] == "kept:text"
        second = server.ask("kept")["pid"]
        assert second != first
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not Path(f"/proc/{second}").exists(), timeout=20)
        assert server.ask("kept")["adapter"] == "kept:text"
        assert server.names() == ["kept"]


def test_handler_that_loads_none(tmp_path: Path) -> None:
    """501 says that nobody implements it; predictions ignore the header."""
    with Server(tmp_path, "mlberth_serve.wsgi:application") as server:
        code = tmp_path / "ml/model/code"
        code.mkdir(parents=True)
        (code / "inference.py").write_text(
            "def model_fn(model_dir):\n    return 1\ndef predict_fn(data, model):\n    return data\n"
        )
        server.wait_ready()
        for method, path in (("GET", "/adapters"), ("POST", "/adapters"), ("DELETE", "/adapters/x")):
            answer = server.request(method, path)
            assert (answer.status, answer.error["code"]) == (501, "not_implemented")
        assert server.invoke("[1]", **{IDENTIFIER: "x"}).status == 200
        assert "/adapters" not in json.loads(server.request("GET", "/openapi.json").body)["paths"]
