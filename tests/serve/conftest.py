"""Applications over small projects, and the interpreter as it was after each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serve.models import ModelsServer
from tests.serve.running import require_nginx

from mlberth_serve.app.application import Application
from mlberth_serve.settings import Settings

PROJECTS = Path(__file__).parent.parent / "projects"

LoadProject = Callable[..., Application]


@pytest.fixture(autouse=True)
def _same_interpreter(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Put sys.path and the modules of user code back: some tests run commands in here."""
    temporary = str(tmp_path_factory.getbasetemp())
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(temporary):
            del sys.modules[name]


@pytest.fixture(scope="module", params=["true", "false"], ids=["nginx", "gunicorn-alone"])
def front(request: pytest.FixtureRequest) -> str:
    """Return SAGEMAKER_USE_NGINX: every test that takes it runs with nginx and without."""
    value: str = request.param
    if value == "true":
        require_nginx()
    return value


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelsServer]:
    """Return a server of several models that is ready, with none loaded."""
    require_nginx()
    running = ModelsServer(tmp_path_factory.mktemp("models"))
    with running:
        running.wait_ready()
        yield running


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """Return an empty model folder of an /opt/ml tree."""
    folder = tmp_path / "ml" / "model"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def make_application(model_dir: Path) -> LoadProject:
    """Return a function that makes an application over `model_dir`, with a project copied into it."""

    def make(project: str = "", **environ: str) -> Application:
        if project:
            shutil.copytree(PROJECTS / project, model_dir, dirs_exist_ok=True)
        base = {"SAGEMAKER_BASE_DIR": str(model_dir.parent), "SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
        return Application(Settings.from_environ({**base, **environ}))

    return make


@pytest.fixture
def load_project(make_application: LoadProject) -> LoadProject:
    """Return `make_application` with the model loaded."""

    def load(project: str = "", **environ: str) -> Application:
        application = make_application(project, **environ)
        application.load()
        return application

    return load
