"""The processes of each of several models: apart from one another, replaced, reloaded, and ended."""

from __future__ import annotations

import http.client
import json
import os
import threading
import zipfile
from pathlib import Path

from tests.serve.models import ModelsServer
from tests.serve.running import children_of, require_nginx
from tests.support import is_alive, wait_until


def test_each_model_has_modules_and_a_folder_of_its_own(server: ModelsServer) -> None:
    """Two versions of one module, side by side; the current folder is the model's."""
    handler = """
        import os, version
        def model_fn(model_dir):
            return None
        def predict_fn(data, model):
            import lazy
            return [version.NUMBER, lazy.NUMBER, os.getcwd()]
    """
    for number in (1, 2):
        server.write(
            f"v{number}", handler, version__py=f"NUMBER = {number}\n", lazy__py=f"NUMBER = {number}\n"
        )
        assert server.load(f"v{number}").status == 200
    for number in (1, 2):
        folder = str(server.models / f"v{number}" / "model")
        assert json.loads(server.ask(f"v{number}", "[1]").body) == [number, number, folder]
        server.unload(f"v{number}")


def test_memory_is_free_when_the_unload_is_answered(server: ModelsServer) -> None:
    """No process of the model is left, not even one that it has started itself."""
    server.write(
        "parent",
        """
        import os, subprocess
        def model_fn(model_dir):
            return subprocess.Popen(["sleep", "1000"]).pid
        def predict_fn(data, model):
            return [os.getpid(), os.getppid(), model]
    """,
    )
    assert server.load("parent").status == 200
    pids = json.loads(server.ask("parent", "[1]").body)
    assert all(map(is_alive, pids))
    assert server.unload("parent").status == 200
    assert not any(map(is_alive, pids))


def test_a_model_that_is_unloaded_answers_what_it_had_begun(server: ModelsServer) -> None:
    """A request in work when the unload comes gets its answer, and the unload waits for it."""
    gate = server.models / "gate"
    server.write(
        "busy",
        f"""
        import pathlib, time
        def model_fn(model_dir):
            return None
        def predict_fn(data, model):
            pathlib.Path({str(gate)!r} + ".begun").touch()
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.01)
            return ["done"]
    """,
    )
    server.load("busy")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/models/busy/invoke", b"[1]")
    wait_until(Path(f"{gate}.begun").exists)
    unloading = threading.Thread(target=server.unload, args=("busy",))
    unloading.start()
    wait_until(lambda: "busy" not in server.names())
    gate.touch()
    assert json.loads(connection.getresponse().read()) == ["done"]
    connection.close()
    unloading.join(20)
    assert not unloading.is_alive()


def test_nothing_is_left_of_a_server_that_stops(tmp_path: Path) -> None:
    """SIGTERM ends every model's processes, the fork servers and the manager; exit code 0."""
    require_nginx()
    server = ModelsServer(tmp_path)
    with server:
        server.wait_ready()
        server.write("a")
        assert server.load("a").status == 200
        below = _descendants(server.process.pid)
        assert len(below) > 5
        assert server.stop() == 0
        assert not any(map(is_alive, below))
        assert list(server.temporary.iterdir()) == []
        assert "killed" not in server.text


def _descendants(pid: int) -> list[int]:
    children = children_of(pid) if is_alive(pid) else []
    return children + [each for child in children for each in _descendants(child)]


def test_a_reload_replaces_code_and_loses_no_request(server: ModelsServer) -> None:
    """SIGHUP loads each model anew beside the old one, which serves until then; a broken one stays."""
    source = "def model_fn(model_dir): return None\ndef predict_fn(data, model): return [{}]\n"
    for name in ("fresh", "spoilt"):
        server.write(name, source.format(1))
        assert server.load(name).status == 200
    # Of another length: Python tells by size and second whether the bytecode it has is of this source.
    server.write("fresh", source.format("2 "))
    server.write("spoilt", "raise ValueError\n")
    os.kill(server.process.pid, 1)
    answers: list[bytes] = []

    def is_reloaded() -> bool:
        answer = server.ask("fresh", "[1]")
        assert answer.status == 200
        answers.append(answer.body)
        return answer.body == b"[2]"

    wait_until(is_reloaded)
    assert set(answers) == {b"[1]", b"[2]"} or set(answers) == {b"[2]"}
    wait_until(lambda: "model spoilt is not reloaded, what served before serves on" in server.text)
    assert server.ask("spoilt", "[1]").body == b"[1]"
    for name in ("fresh", "spoilt"):
        assert server.unload(name).status == 200


FRAGILE = """
    import ctypes, os, time
    def model_fn(model_dir):
        return None
    def input_fn(body, content_type):
        return body
    def output_fn(prediction, accept):
        return prediction, "application/json"
    def predict_fn(data, model):
        if data == b"crash":
            ctypes.string_at(0)
        if data == b"hang":
            while True:
                time.sleep(1)
        return str([os.getpid()])
"""


def test_a_model_that_crashes_is_replaced_and_others_serve_on(server: ModelsServer) -> None:
    """Its client gets 502 after one retry; the next request is answered, by another worker."""
    for name in ("crashes", "steady"):
        server.write(name, FRAGILE)
        assert server.load(name).status == 200
    before = server.pids("crashes")
    answer = server.ask("crashes", "crash", **{"Content-Type": "application/octet-stream"})
    assert (answer.status, answer.error["code"]) == (502, "worker_died")
    assert server.ask("steady", "x").status == 200
    assert server.pids("crashes") != before
    for name in ("crashes", "steady"):
        assert server.unload(name).status == 200


def test_a_model_whose_processes_are_killed_is_started_again(server: ModelsServer) -> None:
    """503 with Retry-After until it is back; it stays loaded meanwhile."""
    server.write("killed", FRAGILE)
    assert server.load("killed").status == 200
    arbiter = server.arbiter("killed")
    os.kill(arbiter, 9)
    wait_until(lambda: not is_alive(arbiter))
    assert "killed" in server.names()
    statuses: list[int] = []

    def is_back() -> bool:
        answer = server.ask("killed", "x")
        statuses.append(answer.status)
        assert answer.status == 200 or (answer.status in (502, 503) and answer.headers["Retry-After"] == "1")
        return answer.status == 200

    wait_until(is_back)
    line = 'mlberth_model_operations_total{result="restarted"} 1.0'
    wait_until(lambda: line in server.request("GET", "/metrics").body.decode())
    assert server.unload("killed").status == 200


def test_a_model_that_cannot_be_started_again_says_so(server: ModelsServer) -> None:
    """Its files are gone: 503, not 404, and an unload and a load make it whole."""
    model = server.write("lost", FRAGILE)
    assert server.load("lost").status == 200
    arbiter = server.arbiter("lost")
    (model / "code" / "inference.py").rename(model / "code" / "other.txt")
    os.kill(arbiter, 9)
    wait_until(lambda: "model lost could not be started, the next try is in 1 s" in server.text)
    answer = server.ask("lost", "x")
    assert (answer.status, answer.error["code"]) == (503, "not_ready")
    assert server.unload("lost").status == 200
    server.write("lost", FRAGILE)
    assert server.load("lost").status == 200
    assert server.unload("lost").status == 200


def write_wheel(folder: Path, version: str) -> None:
    """Write a wheel of a package with one module, which says its version."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"pinned-{version}.dist-info"
    with zipfile.ZipFile(folder / f"pinned-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pinned.py", f"VERSION = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: pinned\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_each_model_has_the_packages_of_its_requirements(server: ModelsServer) -> None:
    """Two versions of one package at once; what is installed is not installed again by the next load."""
    handler = """
        import pinned
        def model_fn(model_dir):
            return None
        def predict_fn(data, model):
            return [pinned.VERSION, pinned.__file__]
    """
    for version in ("1.0", "2.0"):
        model = server.write(f"needs{version}", handler, requirements__txt=f"pinned=={version}\n")
        write_wheel(model / "code" / "wheelhouse", version)
        answer = server.load(f"needs{version}")
        assert answer.status == 200, answer.body
    for version in ("1.0", "2.0"):
        assert json.loads(server.ask(f"needs{version}", "[1]").body)[0] == version
        assert server.unload(f"needs{version}").status == 200
    installs = server.text.count("Successfully installed pinned")
    assert server.load("needs1.0").status == 200
    assert server.text.count("Successfully installed pinned") == installs == 2
    assert server.unload("needs1.0").status == 200


def test_requirements_that_the_image_has_cost_nothing(server: ModelsServer) -> None:
    """No pip, and a fork as without them; those that cannot be had are told with pip's reason."""
    server.write("plain", requirements__txt="# what we use\nnumpy\nflask>=1\n")
    assert server.load("plain").status == 200
    assert "plain" in server.names()
    assert not list(server.temporary.glob("mlberth-serve-*/packages/.*"))
    server.write("greedy", requirements__txt="no-such-package-anywhere==1\n")
    (server.models / "greedy" / "model" / "code" / "wheelhouse").mkdir()
    answer = server.load("greedy")
    assert answer.status == 500
    assert b"no-such-package-anywhere" in answer.body
    assert server.unload("plain").status == 200


def test_lock_without_requirements_is_refused(server: ModelsServer) -> None:
    """It would be installed into the environment of all models; the answer has the command that helps."""
    server.write("locked", uv__lock="version = 1\n")
    answer = server.load("locked")
    assert answer.status == 500
    assert b"uv export -o requirements.txt" in answer.body
    assert server.names() == []
