"""The platform's Docker engine keeps the rules of every engine."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.local.engines.rules import EngineRules, Runs, ended, with_overlay

from mlberth_local.engines.base import Engine, EngineError, ImageMissingError
from mlberth_local.engines.docker import DockerEngine


class TestDockerEngine(EngineRules):
    """The rules of every engine, and those of this one."""

    @pytest.fixture
    def image_name(self, image: Image) -> str:
        """Return an image that has Python."""
        return image("train", "base")

    @pytest.fixture
    def platform_engine(self) -> Iterator[Engine]:
        """Return an engine of its own; nothing of it is left at the end."""
        engine = DockerEngine(uuid.uuid4().hex[:8], os.environ)
        yield engine
        assert engine.names() == set()
        engine.close()

    def later(self, platform_engine: Engine) -> Engine:
        """Return the engine as a later process has it."""
        assert isinstance(platform_engine, DockerEngine)
        return DockerEngine(platform_engine._home_id, os.environ)

    def test_an_image_that_is_not_there(self, platform_engine: Engine, image_name: str) -> None:
        """The message names those that are there."""
        platform_engine.check_image(image_name)
        with pytest.raises(ImageMissingError, match=r"no image 'no/such:tag'.*there are: "):
            platform_engine.check_image("no/such:tag")

    # The SDK closes nothing if it cannot connect.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_an_engine_that_does_not_answer(self, tmp_path: Path) -> None:
        """An address where nobody listens is an error that says what to do."""
        with pytest.raises(EngineError, match="--engine process"):
            DockerEngine("x", {"DOCKER_HOST": f"unix://{tmp_path}/none"}).check_image("a")
        gc.collect()

    def test_an_overlay_that_docker_cannot_mount(
        self, platform_engine: Engine, runs: Runs, tmp_path: Path
    ) -> None:
        """Its files are copied, and from then on those of all channels."""
        source = tmp_path / "no:layer"
        source.mkdir()
        (source / "a").write_text("a")
        run = runs.make("open('/opt/ml/input/data/train/a', 'a').write('b')")
        run = with_overlay(run, source, tmp_path / "changes")
        assert platform_engine.has_overlays(tmp_path)
        platform_engine.start(run)
        assert ended(platform_engine, run)[0].exit_code == 0
        assert (source / "a").read_text() == "a"
        assert (tmp_path / "changes/copy/a").read_text() == "ab"
        assert not platform_engine.has_overlays(tmp_path)

    def test_changes_belong_to_the_caller(self, platform_engine: Engine, runs: Runs, tmp_path: Path) -> None:
        """What a container has written into an overlay, and what the kernel needs for it, can be removed."""
        (tmp_path / "source").mkdir()
        run = runs.make("open('/opt/ml/input/data/train/a', 'w')")
        run = with_overlay(run, tmp_path / "source", tmp_path / "changes")
        platform_engine.start(run)
        ended(platform_engine, run)
        platform_engine.remove(run.name, owner=(4321, 4322))
        found = {path.name: path.stat().st_uid for path in (tmp_path / "changes").rglob("*")}
        assert found == {"upper": 4321, "a": 4321, "work": 4321}

    def test_outputs_belong_to_the_caller(self, platform_engine: Engine, runs: Runs) -> None:
        """What a container writes as root is given to the user whose job it is, folders too."""
        run = runs.make(
            "import pathlib, sys; p = pathlib.Path(sys.argv[1], 'a'); p.mkdir(); (p / 'b').touch()"
        )
        platform_engine.start(run)
        ended(platform_engine, run)
        platform_engine.remove(run.name, owner=(4321, 4322))
        found = [path.stat() for path in (run.hosts[0].base / "model").rglob("*")]
        assert [(entry.st_uid, entry.st_gid) for entry in found] == [(4321, 4322)] * 2
