"""Three containers on a network of Docker are three hosts of one job."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.images.network import HOSTS, Network
from tests.support import wait_until
from tests.train.programs import LEARNING, predicted

WAIT = "import pathlib, time\npathlib.Path('/opt/ml/model/running').touch()\nwhile True: time.sleep(60)\n"


@pytest.mark.parametrize(
    "case",
    [
        ("xgboost", "xgboost"),
        pytest.param(
            ("torch", "torchrun"),
            marks=pytest.mark.skipif(
                os.environ.get("MLBERTH_LONG") != "1", reason="imports PyTorch four times"
            ),
        ),
    ],
    ids=["XGBoost", "PyTorch"],
)
def test_three_containers_learn_what_one_does(
    tmp_path: Path, network: Network, image: Image, case: tuple[str, str]
) -> None:
    """The first rank prints what its model predicts, to four places."""
    (flavour, launcher), found = case, []
    for hosts in (HOSTS, HOSTS[:1]):
        containers = network.start(tmp_path, image("train", flavour), LEARNING[launcher], launcher, hosts)
        codes = [container.wait(120) for container in containers]
        assert codes == [0] * len(hosts), [container.logs() for container in containers]
        found.append(predicted(containers[0].logs()))
        network.engine.remove_all()
    together, alone = found
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
