"""SAGEMAKER_SAFE_MODELS_ONLY: nothing that runs code of its own is loaded."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LinearRegression
from tests.serve.conftest import LoadProject
from tests.serve.running import Server, require_nginx

import mlberth.compat
from mlberth.errors import ContractError, ModelLoadError
from mlberth_serve.app.factory import create_app
from mlberth_serve.app.wsgi_passthrough import WsgiPassthrough
from mlberth_serve.codecs import READERS
from mlberth_serve.control.install_code import needs_preparation
from mlberth_serve.control.supervisor import serve
from mlberth_serve.errors import RequestError
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.media_types import parse_content_type
from mlberth_serve.settings import Settings

MODEL = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


class Payload:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> Any:
        """Return the call that a pickle makes."""
        return os.mkdir, (str(self._folder),)


def settings(model_dir: Path, **more: str) -> Settings:
    """Return the settings of a server that trusts no model."""
    return Settings.from_environ(
        {"SAGEMAKER_BASE_DIR": str(model_dir.parent), "SAGEMAKER_SAFE_MODELS_ONLY": "true", **more}
    )


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "xgboost-model"])
def test_pickles_are_refused_unread(model_dir: Path, tmp_path: Path, name: str) -> None:
    """A pickle is refused by what it is, whatever it is called, and none of it runs."""
    (model_dir / name).write_bytes(pickle.dumps(Payload(tmp_path / "pwned")))
    with pytest.raises(ModelLoadError, match="SAGEMAKER_SAFE_MODELS_ONLY"):
        load_handler(settings(model_dir))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("media_type", sorted(READERS))
def test_bodies_are_never_unpickled(media_type: str, tmp_path: Path) -> None:
    """A pickle as a body is refused under every media type, and none of it runs."""
    with pytest.raises(RequestError):
        READERS[media_type].decode(pickle.dumps(Payload(tmp_path / "pwned")), parse_content_type(media_type))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("safe", ["true", "false"])
@pytest.mark.parametrize("name", ["model.skops", "model.ubj", "model.pt", "model.pth", "model.onnx"])
def test_no_other_name_leads_to_a_pickle(model_dir: Path, tmp_path: Path, name: str, safe: str) -> None:
    """A pickle under the name of a safe format is refused: there is no falling back to unpickling."""
    for module in {".pt": ["torch"], ".onnx": ["onnxruntime"]}.get(Path(name).suffix[:3], []):
        pytest.importorskip(module)
    (model_dir / name).write_bytes(pickle.dumps(Payload(tmp_path / "pwned")))
    with pytest.raises(ModelLoadError):
        load_handler(settings(model_dir, SAGEMAKER_SAFE_MODELS_ONLY=safe))
    assert not (tmp_path / "pwned").exists()


def test_torch_files_are_never_unpickled_freely(model_dir: Path, tmp_path: Path) -> None:
    """A whole module that torch.save pickled is refused, and none of it runs."""
    torch = pytest.importorskip("torch")
    torch.save(Payload(tmp_path / "pwned"), model_dir / "model.pt")
    with pytest.raises(ModelLoadError, match="weights"):
        load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))
    assert not (tmp_path / "pwned").exists()


def test_safe_formats_load(model_dir: Path) -> None:
    """The formats of skops and of XGBoost need no trust."""
    skops.io.dump(MODEL, model_dir / "model.skops")
    assert load_handler(settings(model_dir)).predict_fn
    (model_dir / "model.skops").unlink()
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.eye(3), [0, 1, 0]), 1)
    booster.save_model(model_dir / "model.ubj")
    assert load_handler(settings(model_dir)).predict_fn


def test_code_is_refused(model_dir: Path) -> None:
    """A handler is refused before anything is installed for it, and before it is imported."""
    joblib.dump(MODEL, model_dir / "model.joblib")
    (model_dir / "code").mkdir()
    (model_dir / "code/inference.py").write_text("1 / 0\n")
    for check in (load_handler, needs_preparation):
        with pytest.raises(ModelLoadError, match=r"inference\.py"):
            check(settings(model_dir))
    with pytest.raises(ContractError, match="SAGEMAKER_SUBMIT_DIRECTORY"):
        settings(model_dir, SAGEMAKER_SUBMIT_DIRECTORY="s3://bucket/code.tar.gz")


@pytest.mark.parametrize("profile", ["none", "sklearn", "xgboost", "pytorch"])
@pytest.mark.parametrize("folder", ["model/code", "code"])
@pytest.mark.parametrize(
    "handler",
    [
        "def model_fn(model_dir): ...",
        "def handle(data, context): ...",
        "class Service:\n    def handle(self, data, context): ...",
        "import sagemaker_inference as service\nclass T(service.a.DefaultHandlerService): ...",
        "from elsewhere import *",
        "not Python at all (",
    ],
)
def test_handlers_of_every_kind_are_refused(
    model_dir: Path, handler: str, folder: str, profile: str, load_project: LoadProject
) -> None:
    """Functions and custom services are, under the default name, another one and a link, in any profile."""
    skops.io.dump(MODEL, model_dir / "model.skops")
    code = model_dir.parent / folder
    code.mkdir(parents=True, exist_ok=True)
    (code / "service.py").write_text(f"1 / 0\n{handler}\n")
    safe = {"SAGEMAKER_SAFE_MODELS_ONLY": "true", "SAGEMAKER_PROFILE": profile}
    with pytest.raises(ModelLoadError, match=r"a handler 'service\.py'"):
        load_project(**safe, SAGEMAKER_PROGRAM="service.py")
    (code / "inference.py").symlink_to("service.py")
    with pytest.raises(ModelLoadError, match=r"a handler 'inference\.py'"):
        load_project(**safe)


SERVED = """
from pathlib import Path
Path({mark!r}).touch()
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def write_module(file: Path, mark: Path) -> None:
    """Write a module of a WSGI application that makes a file when it is imported."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SERVED.format(mark=str(mark)))


@pytest.mark.parametrize("variable", ["SAGEMAKER_SERVING_MODULE", "SAGEMAKER_SERVICE_MODULE"])
@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("myapp:app", "model/code/myapp.py"),
        ("myapp:app", "code/myapp.py"),
        ("myapp:app", "model/code/myapp/__init__.py"),
        ("myapp.deep.app:app", "model/code/myapp/deep/app.py"),
    ],
)
def test_serving_module_of_a_model_is_refused(
    model_dir: Path, tmp_path: Path, module: str, file: str, variable: str
) -> None:
    """It is not imported, and the requirements beside it are not installed."""
    write_module(model_dir.parent / file, tmp_path / "pwned")
    (model_dir.parent / file).with_name("requirements.txt").write_text("evil\n")
    made = settings(model_dir, **{variable: module})
    assert not needs_preparation(made)
    with pytest.raises(ContractError, match="no installed module 'myapp"):
        WsgiPassthrough(made).load()
    assert not (tmp_path / "pwned").exists()


def test_installed_serving_module_is_served(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of the same name in the model's folder does not take its place, in a package either."""
    for name in ("myapp.py", "mypackage/served.py"):
        write_module(tmp_path / "installed" / name, tmp_path / "right")
        write_module(model_dir / "code" / name, tmp_path / "pwned")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    for module in ("myapp:app", "mypackage.served:app"):
        guest = WsgiPassthrough(settings(model_dir, SAGEMAKER_SERVING_MODULE=module))
        guest.load()
        guest.warm_up()
        assert (tmp_path / "right").exists()
        assert not (tmp_path / "pwned").exists()
        assert str(model_dir / "code") not in sys.path


@pytest.mark.parametrize("module", ["model.code.myapp:app", "linked:app", "linked.myapp:app"])
def test_no_path_round_about_leads_into_the_model(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """Neither a folder above the model's on the path nor a link does, and no package on the way is run."""
    for file in ("__init__.py", "code/__init__.py", "code/myapp.py"):
        write_module(model_dir / file, tmp_path / "pwned")
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/linked").symlink_to(model_dir / "code")
    (tmp_path / "installed/linked.py").symlink_to(model_dir / "code/myapp.py")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    monkeypatch.syspath_prepend(str(model_dir.parent))
    with pytest.raises(ContractError, match="no installed module"):
        WsgiPassthrough(settings(model_dir, SAGEMAKER_SERVING_MODULE=module)).load()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTHONPATH", "{model}"),
        ("PYTHONPATH", "/usr/lib:{model}/code/lib"),
        ("PYTHONHOME", "{model}/python"),
        ("PYTHONUSERBASE", "{model}/user"),
        ("PYTHONPYCACHEPREFIX", "{model}/cache"),
        ("LD_PRELOAD", "/lib/a.so {model}/evil.so"),
        ("LD_LIBRARY_PATH", "{model}/lib:/lib"),
        ("OPENSSL_CONF", "{model}/openssl.cnf"),
        ("PATH", "{model}/bin:/usr/bin"),
        ("PATH", "{link}:/usr/bin"),
        ("SAGEMAKER_NGINX_CONF", "{model}/nginx.conf"),
    ],
)
def test_search_path_into_the_model_is_refused(
    model_dir: Path, tmp_path: Path, name: str, value: str
) -> None:
    """A variable by which a program loads code from the model's folder is named, and nothing starts."""
    (tmp_path / "link").symlink_to(model_dir)
    text = value.format(model=model_dir, link=tmp_path / "link")
    with pytest.raises(ContractError, match=f"{name}: found"):
        settings(model_dir, **{name: text})
    Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent), name: text})
    settings(model_dir, **{name: "/usr/lib"}, MODEL_DIR=str(model_dir))


def test_path_of_python_into_the_model_is_refused(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However an entry of sys.path came to be, a process that has one in the model's folder loads nothing."""
    skops.io.dump(MODEL, model_dir / "model.skops")
    environ = {"SAGEMAKER_BASE_DIR": str(model_dir.parent), "SAGEMAKER_SAFE_MODELS_ONLY": "true"}
    create_app(environ)
    monkeypatch.chdir(model_dir)
    monkeypatch.syspath_prepend("")
    for start in (create_app, serve):
        with pytest.raises(ContractError, match=r"sys\.path"):
            start(environ)


def test_server_in_safe_mode(tmp_path: Path) -> None:
    """A real server refuses the module of a model, and serves an installed one of the same name."""
    require_nginx()
    for name in ("myapp.py", "sitecustomize.py", "json.py", "gunicorn.py"):
        write_module(tmp_path / "ml/model/code" / name, tmp_path / "pwned")
        write_module(tmp_path / "ml/model" / name, tmp_path / "pwned")
    safe = {"SAGEMAKER_SAFE_MODELS_ONLY": "true", "SAGEMAKER_SERVING_MODULE": "myapp:app"}
    with Server(tmp_path, "mlberth_serve.wsgi:application", SAGEMAKER_LOG_FORMAT="json", **safe) as server:
        assert server.process.wait(30) == 78, server.text
        assert "no installed module 'myapp'" in server.failure["message"]
    write_module(tmp_path / "installed/myapp.py", tmp_path / "right")
    path = str(tmp_path / "installed")
    with Server(tmp_path, "mlberth_serve.wsgi:application", **safe, PYTHONPATH=path) as server:
        server.wait_ready()
        assert server.invoke("1").body == b"ok"
        assert server.stop() == 0
    assert (tmp_path / "right").exists()
    assert not (tmp_path / "pwned").exists()


def test_stand_ins_never_unpickle(tmp_path: Path) -> None:
    """The decoders of other containers' packages refuse arrays of objects, as ours do."""
    body = io.BytesIO()
    np.save(body, np.array([Payload(tmp_path / "pwned")], dtype=object), allow_pickle=True)
    compat = Path(mlberth.compat.__file__).parent
    folders = [str(compat / name) for name in mlberth.compat.PACKAGES]
    script = """
import sys
sys.path += sys.argv[1:]
from sagemaker_containers.beta.framework import encoders
from sagemaker_inference import decoder
data = sys.stdin.buffer.read()
for decode in (encoders.decode, decoder.decode):
    for kind in ("application/x-npy", "application/json", "text/csv"):
        try:
            decode(data, kind)
        except Exception as error:
            print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *folders], input=body.getvalue(), capture_output=True, check=True
    )
    assert len(done.stdout.split()) == 6, done.stdout
    assert not (tmp_path / "pwned").exists()
