"""Requests about models, adapters and sessions, made by chance of good parts and bad ones."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.security.fuzz.fuzzing import Fuzzer, mutated
from tests.serve.models import ModelsServer
from tests.serve.running import PROJECTS, Answer, Server, require_nginx

_WORDS = [
    b"..",
    b"/",
    b"\\",
    b"%2e",
    b"\0",
    b"/etc/passwd",
    b"/proc/self",
    b"\xff",
    b"a",
    b"null",
    b"[",
    b"{",
]
_SECRETS = (b"Traceback", b'File "', b"/tmp", b"/home", b"/usr", b"root:", b"gunicorn")
_METHODS = ["GET", "GET", "POST", "POST", "POST", "DELETE", "DELETE", "PUT", "HEAD", "PATCH", "OPTIONS"]
_NAMES = [
    b"a",
    b"b",
    b"missing",
    b"",
    b".",
    b"..",
    b"a/b",
    b"x" * 97,
    b"x" * 1000,
    "é".encode(),
    b"a b",
    b"-",
]
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATUSES = {200, 400, 404, 405, 409, 411, 413, 414, 415, 431}
SESSION = "X-Amzn-SageMaker-Session-Id"
ADAPTER = "X-Amzn-SageMaker-Adapter-Identifier"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelsServer]:
    """Run a server of several models, with two to load, and one loaded."""
    require_nginx()
    server = ModelsServer(tmp_path_factory.mktemp("m"))
    with server:
        server.wait_ready()
        for name in ("a", "b"):
            server.write(name)
        assert server.load("a").status == 200
        yield server


@pytest.fixture(scope="module")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a handler with sessions and adapters."""
    require_nginx()
    folder = tmp_path_factory.mktemp("s")
    shutil.copytree(PROJECTS / "stateful", folder / "ml/model/code")
    (folder / "ml/adapters").mkdir()
    (folder / "ml/adapters/good").write_text("good")
    on = {"SAGEMAKER_ENABLE_STATEFUL_SESSIONS": "true", "SAGEMAKER_SESSIONS_PATH": str(folder / "state")}
    more = {"SAGEMAKER_SESSIONS_LIMIT": "1000000", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(folder, "mlberth_serve.wsgi:application", **on, **more) as server:
        yield server.wait_ready()


def name_of(chance: random.Random) -> bytes:
    """Return a name, good or bad."""
    name = chance.choice(_NAMES)
    return mutated(name, chance, _WORDS) if name and chance.random() < 0.3 else name


def body_of(fields: dict[str, Any], chance: random.Random) -> bytes:
    """Return fields as JSON, some of them missing or of another type, or bytes that are nearly that."""
    for field in list(fields):
        if chance.random() < 0.15:
            fields[field] = chance.choice([None, 5, True, [], {}, "", "x" * 3000, [fields[field]]])
        elif chance.random() < 0.1:
            del fields[field]
    body = json.dumps(fields).encode()
    return mutated(body, chance, _WORDS) if chance.random() < 0.2 else body


def as_text(data: bytes) -> str:
    """Return bytes as a text that JSON can hold."""
    return data.decode("latin-1")


def as_header(data: bytes) -> str:
    """Return bytes as the value of a header."""
    return "".join(letter for letter in as_text(data) if letter.isprintable()).strip()


def check(fuzzer: Fuzzer, number: int, answer: Answer, asked: bytes, allowed: set[int]) -> None:
    """Note an answer that no such request may get."""
    if answer.status not in allowed:
        fuzzer.fail(number, f"status {answer.status}: {answer.body[:200]!r}", asked)
    if answer.status >= 400 and any(secret in answer.body for secret in _SECRETS):
        fuzzer.fail(number, f"tells of the inside: {answer.body[:200]!r}", asked)


def test_models(models: ModelsServer) -> None:
    """Whatever is asked, what is loaded are models of that folder, each answer is in the API's words."""
    fuzzer = Fuzzer("models", short=120, long=20_000)
    folders = [str(models.models / name / "model") for name in ("a", "b")]
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        name, method = name_of(chance), chance.choice(_METHODS)
        end = chance.choice(["", "", "/invoke", "/invoke", "/", "/x"])
        path = chance.choice(
            ["/models", f"/models/{quote(name, safe='')}{end}", f"/models/{quote(name)}{end}"]
        )
        if chance.random() < 0.1:
            path += chance.choice(["?limit=0", "?limit=x", "?next_page_token=-1", "?limit=1", "?%00"])
        url = chance.choice([*folders, name_of(chance), b"/etc", b"/dev/shm", b"../a", b"a/model"])
        url = as_text(url) if isinstance(url, bytes) else url
        body = body_of({"model_name": as_text(name_of(chance)), "url": url}, chance)
        answer = models.request(method, path, body if method in ("POST", "PUT", "PATCH") else None)
        # A folder without a model in it, such as `b` for `b/model`, is one that does not load.
        unloadable = {500} if b'"Failed to start workers: ' in answer.body else set()
        check(fuzzer, number, answer, f"{method} {path} ".encode() + body, _STATUSES | unloadable)
        if answer.status in (400, 404, 405, 409) and method != "HEAD":
            error = json.loads(answer.body)
            if "error" not in error and error["code"] != answer.status:
                fuzzer.fail(number, f"another code: {answer.body!r}", body)
    assert fuzzer.failures == []
    urls = {model["modelUrl"] for model in models.show("/models")["models"]}
    assert all((models.models / url).resolve().is_relative_to(models.models.resolve()) for url in urls)
    for loaded in models.names():
        assert models.unload(loaded).status == 200
    assert models.load("a").status == 200
    assert models.ask("a", "alive", **{"Content-Type": "text/plain"}).body == b"alive"
    assert "Traceback" not in models.text
    fuzzer.report(requests=fuzzer._max)


def test_adapters(stateful: Server) -> None:
    """No name and no source leads elsewhere, and no request ends a worker."""
    fuzzer = Fuzzer("adapters", short=200, long=50_000)
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        name, method = name_of(chance), chance.choice(_METHODS)
        path = chance.choice(["/adapters", f"/adapters/{quote(name, safe='')}", f"/adapters/{quote(name)}"])
        src = chance.choice(
            [b"adapters/good", b"adapters/good", b"/etc/passwd", name_of(chance), b"adapters"]
        )
        fields = {"name": as_text(name_of(chance)), "src": as_text(src), "preload": chance.random() < 0.5}
        body = body_of(fields, chance)
        answer = stateful.request(method, path, body if method in ("POST", "PUT", "PATCH") else None)
        # 500: a source may be a folder, which this handler does not read.
        check(fuzzer, number, answer, f"{method} {path} ".encode() + body, _STATUSES | {500})
        asked = stateful.invoke('{"kind": "adapter"}', **{ADAPTER: as_header(name)})
        check(fuzzer, number, asked, name, {200, 404, 500})
    page = json.loads(stateful.request("GET", "/adapters").body)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,95}", one["name"]) for one in page["adapters"])
    assert fuzzer.failures == []
    assert stateful.ping() == 200
    assert "died" not in stateful.text
    fuzzer.report(requests=2 * fuzzer._max)


def test_sessions(stateful: Server, tmp_path: Path) -> None:
    """Only sessions that were opened here are found, and nothing but them is in the folder of their state."""
    fuzzer = Fuzzer("sessions", short=200, long=50_000)
    opened, state = ["0" * 36], stateful.log.parent / "state"
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        session = chance.choice([*opened[-3:], as_text(name_of(chance)), "NEW_SESSION", ""])
        if chance.random() < 0.2:
            session = as_text(mutated(session.encode("latin-1") or b"x", chance, _WORDS))
        order = chance.choice([{"requestType": "NEW_SESSION"}, {"requestType": "CLOSE"}, {"kind": "session"}])
        body = body_of(dict(order), chance)
        header = as_header(session.encode("latin-1"))
        answer = stateful.request("POST", "/invocations", body, {SESSION: header} if header else {})
        # 500: what is no order of this handler's fails in its own functions.
        check(fuzzer, number, answer, body, {200, 400, 500})
        if told := answer.headers["X-Amzn-SageMaker-New-Session-Id"]:
            opened.append(told.partition(";")[0])
    assert fuzzer.failures == []
    left = [path.name for path in state.iterdir()]
    assert set(left) <= set(opened)
    assert all(_ID.fullmatch(name) for name in left)
    fuzzer.report(requests=fuzzer._max)
