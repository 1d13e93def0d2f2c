"""The platform's Docker engine keeps the rules of every engine."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Image
from tests.local.engines.rules import EngineRules, Runs, ended

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
