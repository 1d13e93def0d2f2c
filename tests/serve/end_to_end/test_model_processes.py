"""The processes of each of several models: apart from one another, replaced, reloaded, and ended."""

from __future__ import annotations

import http.client
import json
import os
import threading
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
    server.write("fresh", source.format(2))
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
