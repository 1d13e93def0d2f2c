"""Three containers on a network of Docker are three hosts of one job."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.engine import Container, Engine
from tests.support import wait_until

HOSTS = ["algo-1", "algo-2", "algo-3"]
WAIT = "import pathlib, time\npathlib.Path('/opt/ml/model/running').touch()\nwhile True: time.sleep(60)\n"
BOOST = """
import numpy, os, xgboost
from mlberth.collective import xgboost_arguments
rows = (numpy.arange(480.0).reshape(120, 4) * 7 % 16)
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    part = rows[rank::size]
    model = xgboost.train({"base_score": 0.5, "nthread": 1}, xgboost.DMatrix(part, part.sum(1)), 3)
if rank == 0:
    print("predicted", *(round(float(value), 4) for value in model.predict(xgboost.DMatrix(rows[:8]))))
"""
DDP = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
x = torch.arange(96.0).reshape(24, 4) / 96
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(10):
    optimizer.zero_grad()
    ((model(x[rank::size]) - x[rank::size].sum(1, keepdim=True)) ** 2).mean().backward()
    optimizer.step()
if rank == 0:
    print("predicted", *(round(value, 4) for value in model.module(x[:8]).flatten().tolist()))
dist.destroy_process_group()
"""


class Network:
    """A network of an engine, and the hosts of jobs on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = f"mlberth-tests-{uuid.uuid4().hex[:8]}"
        engine.command("network", "create", self.name)

    def remove(self) -> None:
        """Remove it, with all that runs."""
        self.engine.remove_all()
        self.engine.command("network", "rm", self.name)

    def start(
        self, folder: Path, image: str, program: str, launcher: str, hosts: list[str]
    ) -> list[Container]:
        """Start the hosts of a job."""
        containers = []
        for host in hosts:
            base = folder / f"{len(hosts)}-{host}"
            for name in ("code", "model", "input/config"):
                (base / name).mkdir(parents=True)
            (base / "code/train.py").write_text(program)
            config = {"current_host": host, "hosts": hosts, "network_interface_name": "eth0"}
            (base / "input/config/resourceconfig.json").write_text(json.dumps(config))
            options = [f"--network={self.name}", f"--hostname={host}", f"--network-alias={host}"]
            options += [f"--volume={base}:/opt/ml", f"--env=SAGEMAKER_LAUNCHER={launcher}"]
            containers.append(self.engine.start(image, options=options))
        return containers


@pytest.fixture
def network(engine: Engine) -> Iterator[Network]:
    """Return a network of its own."""
    made = Network(engine)
    yield made
    made.remove()


@pytest.mark.parametrize(
    "case",
    [
        ("xgboost", "xgboost", BOOST),
        pytest.param(
            ("torch", "torchrun", DDP),
            marks=pytest.mark.skipif(
                os.environ.get("MLBERTH_LONG") != "1", reason="imports PyTorch four times"
            ),
        ),
    ],
    ids=["XGBoost", "PyTorch"],
)
def test_three_containers_learn_what_one_does(
    tmp_path: Path, network: Network, image: Image, case: tuple[str, str, str]
) -> None:
    """The first rank prints what its model predicts, to four places."""
    (flavour, launcher, program), predicted = case, []
    for hosts in (HOSTS, HOSTS[:1]):
        containers = network.start(tmp_path, image("train", flavour), program, launcher, hosts)
        codes = [container.wait(120) for container in containers]
        assert codes == [0] * len(hosts), [container.logs() for container in containers]
        predicted += [
            line.partition("predicted ")[2]
            for line in containers[0].logs().splitlines()
            if "predicted" in line
        ]
        network.engine.remove_all()
    together, alone = predicted
    assert together == alone


def test_container_that_is_killed_is_named_by_the_others(
    tmp_path: Path, network: Network, image: Image
) -> None:
    """As when its machine dies."""
    containers = network.start(tmp_path, image("train", "base"), WAIT, "plain", HOSTS)
    running = [tmp_path / f"3-{host}/model/running" for host in HOSTS]
    wait_until(lambda: all(file.exists() for file in running), timeout=60)
    killed = time.monotonic()
    containers[1].signal("KILL")
    assert [container.wait() for container in containers] == [70, 137, 70]
    assert time.monotonic() - killed < 30
    for host in (HOSTS[0], HOSTS[2]):
        failure = (tmp_path / f"3-{host}/output/failure").read_text()
        assert failure.startswith("PlatformError: host algo-2: found ")
