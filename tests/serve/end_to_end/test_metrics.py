"""GET /metrics of the whole server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until, within

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
def model_fn(model_dir):
    return 2


def predict_fn(data, model, context):
    context.metrics.add_counter("rows", len(data), dimensions=[Dimension("kind", data[0])])
    context.metrics.add_time("lookup", 5)
    if data[0] < 0:
        raise ValueError("less than nothing")
    return data * model


class Dimension:
    def __init__(self, name, value):
        self.name, self.value = name, value
"""

Labels = dict[str, str]


def scrape(server: Server) -> Callable[..., float]:
    """Read /metrics once; returns a function that gives the value of a sample."""
    answer = server.request("GET", "/metrics")
    assert answer.status == 200, server.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [
        sample for family in text_string_to_metric_families(answer.body.decode()) for sample in family.samples
    ]
    assert samples

    def value(name: str, **labels: str) -> float:
        found = [one.value for one in samples if one.name == name and one.labels == labels]
        assert len(found) <= 1
        return found[0] if found else 0.0

    return value


def answered(server: Server, route: str) -> float:
    """Return how many requests of a route have been answered well, as /metrics has it."""
    return scrape(server)("mlberth_requests_total", route=route, status="2xx")


def wait_scraped(server: Server) -> None:
    """Wait for a page that has both workers."""
    wait_until(lambda: server.request("GET", "/metrics").status == 200, message=server.text)
    wait_until(lambda: scrape(server)("mlberth_workers") == 2, message=server.text)


def workers_of(server: Server) -> list[int]:
    """Return the process ids of the workers."""
    return children_of(server.children()["gunicorn"])


def wait_reloaded(server: Server, times: int) -> None:
    """Wait for the end of a reload."""
    wait_until(lambda: server.text.count(" reloaded in ") == times, message=server.text)


def wait_restarted(server: Server, times: int) -> None:
    """Wait until so many workers have been replaced by ones that have loaded."""
    wait_until(lambda: scrape(server)("mlberth_worker_restarts_total") == times, message=server.text)
    wait_until(lambda: scrape(server)("mlberth_workers") == 2, message=server.text)


def test_counts_are_exact_over_all_workers(tmp_path: Path, front: str) -> None:
    """A scrape has each request once, whichever worker answered it, with every step's durations."""
    (tmp_path / "ml/model/code").mkdir(parents=True)
    (tmp_path / "ml/model/code/inference.py").write_text(HANDLER)
    with Server(tmp_path, APPLICATION, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        wait_scraped(server)
        headers = {"Content-Type": "application/json", "X-Request-Start": "t=1"}
        for number in range(40):
            assert server.request("POST", "/invocations", b"[%d, 2]" % (number % 2), headers).status == 200
        assert server.request("POST", "/invocations", b"[-1]", headers).status == 500
        assert server.request("POST", "/invocations", b"nonsense", headers).status == 400
        wait_until(lambda: scrape(server)("mlberth_request_seconds_count") == 42, message=server.text)
        value = scrape(server)
        assert value("mlberth_requests_total", route="/invocations", status="5xx") == 1
        assert value("mlberth_requests_total", route="/invocations", status="4xx") == 1
        assert value("mlberth_requests_total", route="/invocations", status="2xx") == 40
        assert value("mlberth_request_seconds_count") == 42
        assert value("mlberth_request_seconds_bucket", le="+Inf") == 42
        assert value("mlberth_decode_seconds_count") == 41
        assert value("mlberth_predict_seconds_count") == value("mlberth_encode_seconds_count") == 40
        assert 0 < value("mlberth_predict_seconds_sum") < value("mlberth_request_seconds_sum") < 10
        # What a client says of its own start is never believed.
        assert value("mlberth_queue_seconds_count") == (42 if front == "true" else 0)
        assert value("mlberth_queue_seconds_sum") < 10
        assert value("mlberth_requests_in_flight") == 0
        assert value("mlberth_workers") == 2
        assert value("mlberth_worker_restarts_total") == 0
        assert 0 < value("mlberth_model_load_seconds") < 20
        assert value("mlberth_worker_resident_bytes", worker="0") > 1 << 20
        assert value("mlberth_worker_proportional_bytes", worker="1") > 1 << 20
        assert abs(value("mlberth_start_time_seconds") - time.time()) < 60
        assert [value("handler_rows_total", kind=kind) for kind in ("0", "1", "-1")] == [40, 40, 1]
        assert value("handler_lookup_seconds_count") == 41
        assert value("handler_lookup_seconds_sum") == pytest.approx(41 * 0.005)


def test_deaths_lose_and_double_nothing(tmp_path: Path) -> None:
    """Workers are killed one after the other, one in a request: counts go on, and no file piles up."""
    require_nginx()
    with Server(tmp_path) as server:
        server.wait_ready()
        (run,) = server.temporary.glob("mlberth-serve-*")
        wait_scraped(server)
        files = {path.relative_to(run) for path in run.rglob("*")}
        restarts = 0
        for number in range(5):
            for _ in range(4):
                assert server.invoke("1").status == 200
            if number == 2:
                assert server.invoke("die").status == 502
                restarts += 2  # it was tried once more
            else:
                os.kill(workers_of(server)[0], signal.SIGKILL)
                restarts += 1
            wait_restarted(server, restarts)
        wait_until(lambda: scrape(server)("mlberth_nginx_responses_total", status="502") == 1)
        value = scrape(server)
        assert value("mlberth_requests_total", route="/invocations", status="2xx") == 20
        assert value("mlberth_requests_cut_off_total") == 2
        assert value("mlberth_requests_in_flight") == 0
        after = {path.relative_to(run) for path in run.rglob("*")}
        assert len(after) == len(files)


def test_counts_outlive_a_reload(tmp_path: Path) -> None:
    """The workers of the next generation go on with what the last one counted."""
    require_nginx()
    with Server(tmp_path) as server:
        server.wait_ready()
        for number in range(2):
            for _ in range(5):
                assert server.invoke("1").status == 200
            server.process.send_signal(signal.SIGHUP)
            wait_reloaded(server, number + 1)
        wait_scraped(server)
        wait_until(lambda: answered(server, route="/invocations") == 10, message=server.text)
        wait_until(lambda: scrape(server)("mlberth_worker_restarts_total") == 4, message=server.text)


def test_scrape_waits_for_no_worker(tmp_path: Path) -> None:
    """While every worker predicts, /metrics answers at once, and says so."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path) as server:
        server.wait_ready()
        wait_scraped(server)
        touched = [tmp_path / "one", tmp_path / "two"]
        clients = [
            threading.Thread(target=server.invoke, args=(f"touch-and-wait {path} {gate}",))
            for path in touched
        ]
        for client in clients:
            client.start()
        wait_until(lambda: all(path.exists() for path in touched), message=server.text)
        began = time.monotonic()
        scrape(server)
        assert time.monotonic() - began < within(0.5)
        wait_until(lambda: scrape(server)("mlberth_requests_in_flight") == 2)
        gate.touch()
        for client in clients:
            client.join()
        wait_until(lambda: scrape(server)("mlberth_requests_in_flight") == 0)


def test_requests_that_wait_are_a_gauge(tmp_path: Path) -> None:
    """It is 0 while a worker is free, and what no worker has begun when none is, connections kept or not."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path) as server:
        server.wait_ready()
        wait_scraped(server)
        for _ in range(20):
            assert server.invoke("1").status == 200
        wait_until(lambda: scrape(server)("mlberth_requests_waiting") == 0, message=server.text)
        clients = [
            threading.Thread(target=server.invoke, args=(f"touch-and-wait {tmp_path / str(n)} {gate}",))
            for n in range(7)
        ]
        for client in clients:
            client.start()
        wait_until(lambda: scrape(server)("mlberth_requests_waiting") == 5, message=server.text)
        assert scrape(server)("mlberth_requests_in_flight") == 2
        gate.touch()
        for client in clients:
            client.join()
        wait_until(lambda: scrape(server)("mlberth_requests_waiting") == 0, message=server.text)


def test_page_is_there_while_the_model_loads(tmp_path: Path) -> None:
    """A scrape during a slow load is a page of the front's numbers, after a 503 at most."""
    require_nginx()
    gate = tmp_path / "gate"
    with Server(tmp_path, STANDIN_GATE=str(gate)) as server:
        wait_until(server.is_open)
        early = server.request("GET", "/metrics")
        assert early.status == 200 or early.error["code"] == "not_ready"
        wait_until(lambda: server.request("GET", "/metrics").status == 200)
        assert server.ping() == 503
        assert server.invoke("1").status == 503
        wait_until(lambda: scrape(server)("mlberth_nginx_responses_total", status="503") >= 1)
        value = scrape(server)
        assert (value("mlberth_workers"), value("mlberth_requests_waiting")) == (0, 0)
        gate.touch()
        server.wait_ready()
        wait_scraped(server)


def test_what_nginx_answers_is_counted(tmp_path: Path) -> None:
    """Refusals that no worker sees are counted by status; /ping and /metrics are not."""
    require_nginx()
    with Server(tmp_path, SAGEMAKER_MAX_PAYLOAD_IN_MB="1") as server:
        server.wait_ready()
        wait_scraped(server)
        assert server.request("GET", "/nothing").status == 404
        assert server.request("GET", "/invocations").status == 405
        assert server.request("POST", "/metrics").status == 405
        for _ in range(3):
            assert server.invoke("x" * (1 << 20) + "x").status == 413
        assert server.invoke("1").status == 200
        wait_until(lambda: scrape(server)("mlberth_nginx_responses_total", status="413") == 3)
        value = scrape(server)
        assert value("mlberth_nginx_responses_total", status="404") == 1
        assert value("mlberth_nginx_responses_total", status="405") == 2
        assert value("mlberth_nginx_responses_total", status="200") == 0


def test_metrics_can_be_turned_off(tmp_path: Path, front: str) -> None:
    """There is no page then, and predictions go on."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front, SAGEMAKER_METRICS="false") as server:
        server.wait_ready()
        assert server.invoke("1").status == 200
        assert server.request("GET", "/metrics").status == 404
        (run,) = server.temporary.glob("mlberth-serve-*")
        assert not (run / "front.log").exists()
        assert server.request("POST", "/metrics").status in (404, 405)
