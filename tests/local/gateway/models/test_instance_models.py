"""Tests of how an instance's models come and go, by the unmodified client through a real gateway."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.local.gateway.models.model_servers import SIZE, ManyModels, ModelServer, many_models
from tests.local.gateway.platform import endpoint, one_port, variant
from tests.local.gateway.servers import Said, container
from tests.support import is_alive, wait_until

from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.models.targets import name_of
from mlberth_local.gateway.table import Instance


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., ManyModels]]:
    """Return a function that serves an endpoint with these servers until the end of the test."""
    with ExitStack() as stack:
        yield lambda *servers, **more: stack.enter_context(many_models(tmp_path, *servers, **more))


def failed(many: ManyModels, target: str | None, **request: Any) -> dict[str, Any]:
    """Return the answer to a request that must fail, as the client has parsed it."""
    given = {"EndpointName": "e", "Body": b"1", **request}
    given |= {} if target is None else {"TargetModel": target}
    with pytest.raises(ClientError) as raised:
        many.platform.runtime.invoke_endpoint(**given)
    return dict(raised.value.response)


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Return what calls return that are made side by side."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [one.result(60) for one in [pool.submit(call) for call in calls]]


def test_the_first_request_loads(serve: Callable[..., ManyModels]) -> None:
    """By a name that tells nothing, from its own folder; later ones find the model loaded."""
    many = serve(ModelServer())
    assert [many.ask("a/b.tar.gz", b"1"), many.ask("a/b.tar.gz", b"2")] == ["a/b.tar.gz:1", "a/b.tar.gz:2"]
    assert many.archives.fetched == many.servers[0].loads == ["a/b.tar.gz"]
    invoked = many.containers[0].received[-1]
    assert invoked.path == f"/models/{name_of('a/b.tar.gz')}/invoke"
    assert invoked.headers["x-amzn-sagemaker-target-model"] == "a/b.tar.gz"


def test_concurrent_first_requests_load_once(serve: Callable[..., ManyModels]) -> None:
    """On one instance of two, whatever they wait for."""
    many = serve(ModelServer(), ModelServer())
    for server in many.servers:
        server.go_on.clear()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(many.ask, "m", b"%d" % number) for number in range(12)]
        wait_until(lambda: any(one.path == "/models" for c in many.containers for one in c.received))
        for server in many.servers:
            server.go_on.set()
        assert [one.result(60) for one in asked] == [f"m:{number}" for number in range(12)]
    assert many.archives.fetched == ["m"]
    assert sorted(len(server.loads) for server in many.servers) == [0, 1]


def test_requests_go_where_the_model_is(serve: Callable[..., ManyModels]) -> None:
    """A second instance loads other models."""
    many = serve(ModelServer(), ModelServer())
    for _ in range(3):
        for target in ("a", "b", "c", "d"):
            many.ask(target)
    assert sorted(many.archives.fetched) == ["a", "b", "c", "d"]
    assert sorted([*many.shown(0), *many.shown(1)]) == ["a", "b", "c", "d"]
    assert many.shown(0)
    assert many.shown(1)


def test_a_model_with_many_requests(serve: Callable[..., ManyModels]) -> None:
    """It is loaded on a second instance if the first has many requests more."""
    many = serve(ModelServer(), ModelServer())
    many.ask("a")
    first = 0 if many.shown(0) else 1
    many.servers[first].go_on.clear()
    with ThreadPoolExecutor(20) as pool:
        found = [pool.submit(many.ask, "a") for _ in range(20)]
        wait_until(lambda: many.shown(1 - first) == ["a"])
        many.servers[first].go_on.set()
        assert {one.result(60) for one in found} == {"a:1"}


def test_no_room_in_memory(serve: Callable[..., ManyModels]) -> None:
    """The model that was asked least recently goes; its files stay, so it is not downloaded again."""
    many = serve(ModelServer(most=2))
    for target in ("a", "b", "a", "c", "b"):
        assert many.ask(target) == f"{target}:1"
    assert many.servers[0].unloads == ["b", "a"]
    assert many.shown() == ["b", "c"]
    assert many.archives.fetched == ["a", "b", "c"]


def test_a_model_that_alone_is_too_large(serve: Callable[..., ManyModels]) -> None:
    """It is the model's error, with what the container said; the endpoint goes on."""
    many = serve(ModelServer(most=0))
    found = failed(many, "a")
    assert (found["Error"]["Code"], found["OriginalStatusCode"]) == ("ModelError", 507)
    assert found["OriginalMessage"] == "no memory"
    many.servers[0].most = 1
    assert many.ask("a") == "a:1"


def test_a_request_that_runs_out_of_memory(serve: Callable[..., ManyModels]) -> None:
    """Another model is unloaded, and the request is sent again."""
    many = serve(ModelServer())
    many.ask("a")
    many.ask("b")
    server = many.servers[0]
    tight = lambda request: (  # noqa: E731
        Said(b"", 507) if request.path.endswith("/invoke") and len(server.loaded) > 1 else server(request)
    )
    many.containers[0].behaviour = tight
    assert many.ask("b") == "b:1"
    assert many.shown() == ["b"]


def test_more_models_than_fit_under_load(serve: Callable[..., ManyModels]) -> None:
    """Nothing fails, no model is unloaded under a request, and each answer is its own model's."""
    many = serve(ModelServer(most=3), ModelServer(most=2))
    targets = [f"m{number}" for number in range(12)]

    def ask(seed: int) -> int:
        chosen = random.Random(seed)
        for number in range(40):
            target = chosen.choice(targets)
            assert many.ask(target, b"%d" % number) == f"{target}:{number}"
        return seed

    assert at_once([lambda seed=seed: ask(seed) for seed in range(10)]) == list(range(10))  # type: ignore[misc]
    assert [fault for server in many.servers for fault in server.faults] == []
    assert any(server.unloads for server in many.servers)
    for server in many.servers:
        assert len(server.loaded) <= server.most


def test_a_load_that_takes_long(serve: Callable[..., ManyModels]) -> None:
    """The request gets 429 and the platform's words; the load goes on, and the next request finds it."""
    many = serve(ModelServer(), limits=Limits(load_seconds=0.5))
    server = many.servers[0]
    server.go_on.clear()
    found = failed(many, "a")
    assert found["Error"]["Code"] == "ModelNotReadyException"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert found["Error"]["Message"].endswith("Wait and try your request again.")
    server.go_on.set()
    wait_until(lambda: many.shown() == ["a"])
    assert many.ask("a") == "a:1"
    assert server.loads == ["a"]


def test_a_load_that_fails(serve: Callable[..., ManyModels]) -> None:
    """The client gets the container's words; another object under the name is taken by the next request."""
    many = serve(ModelServer(refuses={"a": Said(b"no model_fn", 500)}))
    found = failed(many, "a")
    assert found["Error"]["Code"] == "ModelError"
    assert (found["OriginalStatusCode"], found["OriginalMessage"]) == (500, "no model_fn")
    many.servers[0].refuses.clear()
    assert many.ask("a") == "a:1"
    assert many.archives.fetched == ["a", "a"]


def test_target_models_that_are_none(serve: Callable[..., ManyModels]) -> None:
    """Absent, not in the bucket, or a path that leads elsewhere: the platform's code and words."""
    many = serve(ModelServer())
    many.archives.missing.add("gone.tar.gz")
    found = failed(many, None)
    assert found["Error"]["Code"] == "ValidationError"
    assert found["Error"]["Message"].endswith(" is missing a target model header.")
    assert failed(many, "gone.tar.gz")["Error"]["Message"].startswith("Failed to download model data")
    for target in ("../other.tar.gz", "//etc/passwd", "a//b", "a/./b", "a/.."):
        assert "is not the path of an object" in failed(many, target)["Error"]["Message"]
    assert many.archives.fetched == []
    many.archives.missing.clear()  # it is uploaded now
    assert many.ask("gone.tar.gz") == many.ask("/gone.tar.gz") == "gone.tar.gz:1"
    many.platform.serve(one_port(many.containers[0].port))
    found = failed(many, "a")
    text = "Endpoint e is not a multi-model endpoint and does not support target model header."
    assert (found["Error"]["Code"], found["Error"]["Message"]) == ("ValidationError", text)


def test_models_that_are_not_kept(serve: Callable[..., ManyModels], tmp_path: Path) -> None:
    """Without a cache each request downloads, loads and unloads; requests side by side share that."""
    many = serve(ModelServer(), caches=False)
    folder = tmp_path / "runs" / "0" / "models"
    for _ in range(2):
        many.ask("a")
        wait_until(lambda: not many.shown() and not list(folder.iterdir()))
    assert many.archives.fetched == ["a", "a"]
    assert sorted(at_once([lambda: many.ask("b")] * 6)) == ["b:1"] * 6
    assert many.servers[0].faults == []


def test_the_disk_is_full(serve: Callable[..., ManyModels], tmp_path: Path) -> None:
    """Files of models that were asked least recently go, loaded or not, so that the others fit."""
    many = serve(ModelServer(), limits=Limits(models_bytes=2 * SIZE + 1))
    for target in ("a", "b", "a", "c"):
        many.ask(target)
    folder = tmp_path / "runs" / "0" / "models"
    assert {one.name for one in folder.iterdir()} == {name_of("a"), name_of("c")}
    assert many.shown() == ["a", "c"]
    many.ask("b")
    assert many.archives.fetched == ["a", "b", "c", "b"]


def test_no_room_on_the_disk(serve: Callable[..., ManyModels]) -> None:
    """The daemon finds it out: files of other models go, and the archive is unpacked after all."""
    many = serve(ModelServer())
    many.archives.most = 2
    for target in ("a", "b", "c"):
        assert many.ask(target) == f"{target}:1"
    assert many.shown() == ["b", "c"]
    many.archives.most = 0
    found = failed(many, "d")
    assert (found["Error"]["Code"], found["OriginalStatusCode"]) == ("ModelError", 507)
    assert found["OriginalMessage"] == "There is no room on the disk for the files of the model."


def test_a_model_that_the_container_has_lost(serve: Callable[..., ManyModels]) -> None:
    """A server that was started anew has none: the model is loaded once more, and the request sent again."""
    many = serve(ModelServer())
    many.ask("a")
    many.servers[0].loaded.clear()
    assert many.ask("a") == "a:1"
    assert many.archives.fetched == ["a"]


def test_a_gateway_that_is_killed(serve: Callable[..., ManyModels]) -> None:
    """Its successor finds what is loaded and what is on the disk."""
    many = serve(ModelServer(most=2))
    for target in ("a", "b", "c"):
        many.ask(target)
    killed = many.platform.pid
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not is_alive(killed))
    assert [many.ask(target) for target in ("c", "b", "a")] == ["c:1", "b:1", "a:1"]
    assert many.archives.fetched == ["a", "b", "c"]
    assert many.servers[0].loads.count("c") == 2  # 507, and then for good
    assert many.servers[0].faults == []


def test_a_pipeline(serve: Callable[..., ManyModels]) -> None:
    """One of its containers may have many models; the others are asked as always."""
    many = serve(ModelServer())
    with container(lambda request: Said(b"<" + request.body + b">")) as other:
        pair = (other.port, many.containers[0].port)
        store = replace(many.store(0), container=1)
        pipeline = variant(Instance("i-0", pair, store), multi_model=True, containers=("first", "second"))
        many.platform.serve(endpoint(pipeline))
        assert many.ask("a") == "a:<1>"
        many.servers[0].refuses["b"] = Said(b"no", 400)
        assert "(400) from second with message" in failed(many, "b")["Error"]["Message"]
    assert [one.path for one in other.received] == ["/invocations"] * 2


def test_an_instance_that_is_replaced(serve: Callable[..., ManyModels]) -> None:
    """Its models are forgotten with it: the next instance loads them anew."""
    many = serve(ModelServer(), ModelServer())
    many.serve(0)
    assert many.ask("a") == "a:1"
    many.serve(1)
    assert many.ask("a") == "a:1"
    assert [many.shown(0), many.shown(1)] == [["a"], ["a"]]
    assert many.archives.fetched == ["a", "a"]
