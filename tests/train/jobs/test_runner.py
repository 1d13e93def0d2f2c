"""What nobody foresaw ends in a report as well."""

from __future__ import annotations

from pathlib import Path

from mlberth.process.signals import SignalQueue
from mlberth_train.jobs.runner import Job, Reports, Runner
from mlberth_train.log import Log


def test_a_bug_of_ours_has_its_own_exit_code_and_no_secret(tmp_path: Path) -> None:
    """An error without a class is the platform's: 70, named in the failure file, secrets masked."""

    def prepare() -> Job:
        raise RuntimeError("odd, with canary-1")

    environ = {"API_TOKEN": "canary-1"}
    failure = tmp_path / "output/failure"
    with SignalQueue() as signals:
        assert Runner(Log(), Reports(failure), environ, signals, "python").run(prepare) == 70
    assert failure.read_text().startswith("PlatformError: mlberth: found RuntimeError: odd, with ***;")
    assert [path.name for path in failure.parent.iterdir()] == ["failure"]
