"""Tests of `mlberth recommend`, as people type it, with a model of scikit-learn and plain processes."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from tests.docs.commands import commands
from tests.local.end_to_end.daemon import MLBERTH, Daemon
from tests.local.end_to_end.deployments import client
from tests.local.end_to_end.test_sdk_jobs import run
from tests.peers import SDK_V2
from tests.support import LONG, wait_until

ONE_TEST = ("--instance-type", "ml.c5.large", "--vary", "SAGEMAKER_MODEL_SERVER_WORKERS=1")
HANDLER = "def model_fn(d): return 1\ndef predict_fn(x, m): return [1 + float(x[0][0])]\n"
SLEEP = "time.sleep(10); return ["
FAST = {"MLBERTH_LOAD_TEST_SECONDS": "0.2"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Daemon]:
    """Return a home without a daemon, with a model and samples beside it."""
    model = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression().fit([[-1.0], [1.0]], [0, 1]), model)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(model, model.name)
    (tmp_path / "fast/code").mkdir(parents=True)
    (tmp_path / "fast/code/inference.py").write_text(HANDLER)
    (tmp_path / "slow/code").mkdir(parents=True)
    (tmp_path / "slow/code/inference.py").write_text(f"import time\n{HANDLER.replace('return [', SLEEP)}")
    (tmp_path / "row.csv").write_text("1")
    (tmp_path / "bad.csv").write_text("a,b")
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.run("down")


def recommend(home: Daemon, *more: str, sample: str = "row.csv") -> subprocess.CompletedProcess[str]:
    """Run the command with one test of the model."""
    files = [str(home.folder / "fast"), "--sample", str(home.folder / sample)]
    words = ["recommend", *files, "--engine", "process", *ONE_TEST, *more]
    return home.run(*words, environ=FAST, timeout=180)


def test_the_command_of_the_page(home: Daemon) -> None:
    """Without a daemon one comes and goes; the table names the cheapest configuration, and what it costs."""
    [command] = commands("docs/how-to/recommend.md", "")
    words = [str(home.folder / word) if "." in word else word for word in shlex.split(command)[1:]]
    words[words.index("--p95") + 1] = "5000"  # this machine may be busy
    found = home.run(*words, "--engine", "process", *ONE_TEST, environ=FAST, timeout=180)
    assert found.returncode == 0, found.stderr
    head, row, empty, *choice = found.stdout.splitlines()
    assert head.split()[:3] == ["CONFIGURATION", "P95", "MS"]
    assert row.startswith("ml.c5.large SAGEMAKER_MODEL_SERVER_WORKERS=1 ")
    assert row.endswith("cheapest")
    assert not empty
    assert choice[0] == "Cheapest: ml.c5.large SAGEMAKER_MODEL_SERVER_WORKERS=1"
    assert "A million requests cost" in choice[1]
    assert choice[2].startswith("It is the only configuration that holds P95 at 5000 ms.")
    assert ": paced at " in found.stderr
    assert "it has the whole machine" in found.stderr
    assert home.run("status").returncode == 3
    assert home.run("ps", "--all").stdout.count("COMPLETED") == 1


def test_a_job_of_a_daemon(home: Daemon) -> None:
    """JSON for programs; exit codes for failures; nothing that was made for the job is left."""
    environ = {**home.environ, **FAST}
    up = ["up", "--port", str(home.port), "--engine", "process", "--detach"]
    assert home.run(*up, environ=environ).returncode == 0
    sagemaker = client(home, "sagemaker")
    found = recommend(home, "--json", "--name", "first")
    assert found.returncode == 0, found.stderr
    answer: dict[str, Any] = json.loads(found.stdout)
    assert answer["job"]["Status"] == "COMPLETED"
    [step] = answer["steps"]
    [best] = answer["job"]["InferenceRecommendations"]
    assert step["InferenceBenchmark"]["Metrics"] == best["Metrics"]
    described = sagemaker.describe_inference_recommendations_job(JobName="first")
    assert described["InferenceRecommendations"][0]["Metrics"] == pytest.approx(best["Metrics"])
    assert sagemaker.list_models()["Models"] == sagemaker.list_endpoints()["Endpoints"] == []
    refused = recommend(home, sample="bad.csv")
    assert refused.returncode == 1
    assert "returned 4xx or 5xx error code: sample 1: 500" in refused.stderr
    unknown = home.run("recommend", "no-model", "--sample", str(home.folder / "row.csv"))
    assert unknown.returncode == 70
    assert "Could not find model" in unknown.stderr
    _stop(home)
    wait_until(lambda: sagemaker.list_endpoints()["Endpoints"] == [])


def _stop(home: Daemon) -> None:
    """See that Ctrl-C stops a job under load: the exit code is 130, and its instance goes."""
    words = [str(home.folder / "slow"), "--sample", str(home.folder / "row.csv"), "--name", "stopped"]
    argv = [*MLBERTH, "recommend", *words, *ONE_TEST]
    running = subprocess.Popen(
        argv, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: " ready after " in home.run("logs", "stopped").stdout, timeout=60)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert "stopped" in out


def test_explain_and_flags(home: Daemon) -> None:
    """The requests are printed, or what is wrong with the flags; nothing is started."""
    found = recommend(home, "--explain")
    assert found.returncode == 0, found.stderr
    operations = [one["operation"] for one in json.loads(found.stdout)]
    assert operations == ["CreateModel", "CreateInferenceRecommendationsJob"]
    wrong = recommend(home, sample="none.csv")
    assert wrong.returncode == 78
    assert wrong.stderr.startswith("mlberth recommend: --sample: found ")
    assert not home.home.exists()


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: importing the SDK takes a while")
def test_sdk_v2(home: Daemon) -> None:
    """`right_size` prints the job's log, and `deploy` takes what it recommends."""
    assert home.up().returncode == 0
    found, shown = run("recommend_v2.py", SDK_V2, home, str(home.folder), "any:serve")
    assert found == {"recommended": 1, "deployed": "ml.c5.large", "predicted": [["6"]]}
    assert "SAGEMAKER_MODEL_SERVER_WORKERS=1: 1 at a time: " in shown
    assert "the job is COMPLETED" in shown
