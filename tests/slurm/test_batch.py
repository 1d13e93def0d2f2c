"""`deploy/slurm/train.sbatch` on a real cluster: stops, preemption, nodes that die, and a start anew."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.slurm.cluster import Cluster
from tests.support import wait_until
from tests.train.running import BIN, ROOT

SCRIPT = ROOT / "deploy/slurm/train.sbatch"
LONG = os.environ.get("MLBERTH_LONG") == "1"
# Adds up its data, and goes on where its last run has stopped; the file `finish` lets it come to its end.
PROGRAM = """
import json, os, pathlib, time
import mlberth, mlberth.checkpoints
job, rank = mlberth.environment(), os.environ.get("RANK", "0")
shared = pathlib.Path(os.environ["FOLDER"])
store = mlberth.checkpoints.store()
seen = {"steps": 0, "runs": []}
if checkpoint := store.latest():
    seen = json.loads((checkpoint.path / "seen.json").read_text())
seen["runs"].append(seen["steps"])
data = sum(map(int, pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()))
def save():
    with store.save(seen["steps"]) as folder:
        (folder / "seen.json").write_text(json.dumps(seen))
with mlberth.checkpoints.StopRequest() as stop:
    while not ((shared / "finish").exists() and seen["steps"] >= 5):
        time.sleep(0.05)
        seen["steps"] += 1
        if seen["steps"] == 3:
            save()
        (shared / f"running-{rank}-{1 + int(os.environ.get('SLURM_RESTART_COUNT', 0))}").touch()
        if stop.arrived:
            save()
            raise SystemExit
pathlib.Path(job.model_dir, "model.json").write_text(json.dumps({**seen, "sum": data}))
"""


class Batch:
    """A job by the script, with a folder of its own."""

    def __init__(self, cluster: Cluster, script: Path = SCRIPT) -> None:
        self.cluster = cluster
        self.folder = cluster.shared / "job"
        self.script = script
        for name, text in {
            "code/train.py": PROGRAM,
            "input/data/train/rows.csv": "1\n2\n3\n",
            "input/config/inputdataconfig.json": '{"train": {}}',
        }.items():
            file = self.folder / name
            file.parent.mkdir(parents=True)
            file.write_text(text)
        self.number = ""

    def submit(self, *options: str, **environ: str) -> Batch:
        """Submit it to two nodes."""
        scratch = self.cluster.shared / "scratch"
        scratch.mkdir(exist_ok=True)
        fixed = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "FOLDER": str(self.folder),
            "SCRATCH": str(scratch),
            "SAGEMAKER_HOST_WAIT_SECONDS": "30",
        }
        log = f"--output={self.folder}/log"
        self.number = self.cluster.submit(self.script, log, *options, environ=fixed | environ)
        return self

    def wait_for_run(self, count: int, ranks: int = 2, timeout: float = 120) -> None:
        """Wait until all ranks have made a step in their so many-th run."""
        files = [self.folder / f"running-{rank}-{count}" for rank in range(ranks)]
        try:
            wait_until(lambda: all(file.exists() for file in files), timeout=timeout)
        except AssertionError:
            raise AssertionError(f"{self.log}\n{self.cluster.job(self.number)}") from None

    def finish(self) -> dict[str, str]:
        """Let the program come to its end; return what Slurm says of the job then."""
        (self.folder / "finish").touch()
        return self.cluster.end_of(self.number)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        file = self.folder / "log"
        return file.read_text() if file.exists() else ""

    @property
    def model(self) -> dict[str, Any]:
        """What the first node has brought back."""
        found: dict[str, Any] = json.loads((self.folder / "model/model.json").read_text())
        return found


@pytest.mark.skipif(not LONG, reason="a rendered script does the same")
def test_job_runs_and_brings_its_model_back(cluster: Cluster) -> None:
    """Each node fetches its input, the ranks meet, and the first one pushes what it has."""
    batch = Batch(cluster).submit(SAGEMAKER_LAUNCHER="plain")
    ended = batch.finish()
    assert (ended["JobState"], ended["ExitCode"]) == ("COMPLETED", "0:0"), batch.log
    assert (batch.model["sum"], batch.model["runs"]) == (6, [0])
    assert len(list((batch.folder / "model").iterdir())) == 1
    assert "[rank 1]" not in batch.log


def test_preempted_job_goes_on_from_its_checkpoints(cluster: Cluster) -> None:
    """Slurm tells it to stop, starts it again when there is room, and it has lost no step that it saved."""
    batch = Batch(cluster).submit(SAGEMAKER_LAUNCHER="plain")
    batch.wait_for_run(1)
    urgent = cluster.run("srun", "--partition=urgent", "--nodes=2", "true")
    assert urgent.returncode == 0, urgent.stdout
    batch.wait_for_run(2)
    ended = batch.finish()
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), batch.log
    first, second = batch.model["runs"]
    assert (first, second > 0) == (0, True), batch.log


@pytest.mark.skipif(not LONG, reason="takes a quarter of a minute")
def test_job_that_lost_a_node_goes_on_elsewhere(cluster: Cluster) -> None:
    """`train` ends with 70, long before Slurm gives the node up; the job then starts on other nodes."""
    batch = Batch(cluster).submit(SAGEMAKER_LAUNCHER="plain")
    batch.wait_for_run(1)
    began = time.monotonic()
    cluster.kill_node("node2")
    wait_until(lambda: cluster.job(batch.number)["Restarts"] == "1", timeout=30, message=batch.log)
    assert "host node2: found " in batch.log
    assert time.monotonic() - began < 30
    cluster.give_up_node("node2")
    batch.wait_for_run(2)
    ended = batch.finish()
    assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1"), batch.log
    assert ended["NodeList"] == "node[1,3]"
    first, second = batch.model["runs"]
    assert (first, second > 0) == (0, True), batch.log


def test_cancelled_job_saves_and_does_not_start_again(cluster: Cluster) -> None:
    """Each rank has one last checkpoint, and Slurm the last word."""
    batch = Batch(cluster).submit(SAGEMAKER_LAUNCHER="plain")
    batch.wait_for_run(1)
    cluster.run("scancel", batch.number)
    ended = cluster.end_of(batch.number)
    assert (ended["JobState"], ended["Restarts"]) == ("CANCELLED", "0"), batch.log
    cluster.wait_for_idle()
    assert batch.log.count("The program succeeded") == 2, batch.log
    saved = sorted(path.name for path in (batch.folder / "checkpoints").glob("rank-*/step-*"))
    assert len(saved) >= 2, saved


@pytest.mark.skipif(not LONG, reason="waits for a time limit of a minute")
def test_job_whose_time_is_up_saves_and_goes_on(cluster: Cluster) -> None:
    """It is told before the end, starts again as often as it may, and is no success until it has ended."""
    limit = ["--time=1", "--signal=B:USR1@50"]
    batch = Batch(cluster).submit(*limit, SAGEMAKER_LAUNCHER="plain", RESTARTS="1")
    batch.wait_for_run(2, timeout=120)
    ended = cluster.end_of(batch.number, timeout=120)
    assert (ended["JobState"], ended["Restarts"], ended["ExitCode"]) == ("FAILED", "1", "143:0"), batch.log
    assert batch.log.count("The program succeeded") == 4, batch.log


# Takes Apptainer's and podman's place, of which this machine has none that runs: their options are recorded,
# and the command runs here, in the folder that would be /opt/ml.
CONTAINER = """#!/usr/bin/env python3
import json, os, pathlib, sys
options = sys.argv[1:]
command = options[options.index("bash"):]
(ml,) = [one.split("=", 1)[1].removesuffix(":/opt/ml") for one in options if one.endswith(":/opt/ml")]
pathlib.Path(ml, "options.json").write_text(json.dumps([pathlib.Path(sys.argv[0]).name, *options]))
link = pathlib.Path(ml, "checkpoints")
link.is_symlink() or link.symlink_to(os.environ["FOLDER"] + "/checkpoints")
os.environ |= {"ML": ml, "SAGEMAKER_BASE_DIR": ml}
os.execvp(command[0], command)
"""


@pytest.mark.skipif(not LONG, reason="takes half a dozen seconds")
@pytest.mark.parametrize("image", ["docker://mlberth-train:torch", "podman:mlberth-train:torch"])
def test_containers_get_the_tree_the_folder_and_the_variables(cluster: Cluster, image: str) -> None:
    """As they would be started; what they run is what a node runs without them."""
    commands = cluster.shared / "bin"
    commands.mkdir()
    name = "podman" if image.startswith("podman:") else "apptainer"
    (commands / name).write_text(CONTAINER)
    (commands / name).chmod(0o755)
    batch = Batch(cluster)
    path = f"{commands}:{BIN}:{os.environ['PATH']}"
    batch.submit("--nodes=1", IMAGE=image, PATH=path, PASSED="MY_WORD|OTHER", MY_WORD="two words")
    ended = batch.finish()
    assert ended["JobState"] == "COMPLETED", batch.log
    assert batch.model["sum"] == 6
    tree = cluster.shared / f"scratch/mlberth-{batch.number}.0"
    options = json.loads((tree / "options.json").read_text())
    checkpoints = f"{batch.folder}/checkpoints:/opt/ml/checkpoints"
    if name == "apptainer":
        assert options[:3] == ["apptainer", "exec", "--no-home"]
        expected = {f"--bind={tree}:/opt/ml", f"--bind={batch.folder}", f"--bind={checkpoints}", image}
    else:
        assert options[:3] == ["podman", "run", "--rm"]
        expected = {f"--volume={tree}:/opt/ml", f"--volume={batch.folder}:{batch.folder}"}
        expected |= {f"--volume={checkpoints}", "--env=ML=/opt/ml", "--env=MY_WORD", "--env=FOLDER"}
        expected |= {"--env=SLURM_STEP_NODELIST", "--env=SAGEMAKER_STOP_GRACE_SECONDS", "mlberth-train:torch"}
        assert "--env=PATH" not in options
    assert expected <= set(options)
