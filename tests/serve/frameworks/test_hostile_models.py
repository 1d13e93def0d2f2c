"""Hostile model files: one for each loader that we call, beside what its library says of trust.

Each file, once it is loaded as what it pretends to be, would make the folder or file `pwned`. The same file
without SAGEMAKER_SAFE_MODELS_ONLY shows for the formats that are programs that it does.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LinearRegression
from tests.serve.conftest import LoadProject

from mlberth.errors import MlberthError, ModelLoadError
from mlberth_serve.handler.context import Context
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

MODEL = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
NUMBERS = itertools.count()
SCRIPT = """
def __setstate__(self, state: Tuple[int, bool]):
    self.training = state[1]
    page = torch.from_file({path!r}, True, 4, dtype=torch.uint8)
    page.fill_(65)
    print(page)
"""


class Evil:
    """What makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        """Return the call that a pickle makes."""
        return os.mkdir, (str(self.mark),)


def settings(model_dir: Path, safe: str = "true", **more: str) -> Settings:
    """Return the settings of a server over a model folder."""
    environ = {"SAGEMAKER_BASE_DIR": str(model_dir.parent), "SAGEMAKER_SAFE_MODELS_ONLY": safe}
    return Settings.from_environ(environ | more)


# joblib.load: "relies on the pickle module and can therefore execute arbitrary Python code. It should
# therefore never be used to load files from untrusted sources."
def by_joblib(path: Path, mark: Path) -> None:
    """Write what joblib.load runs."""
    joblib.dump(Evil(mark), path)


def by_compressed_joblib(path: Path, mark: Path) -> None:
    """Write the same, compressed: joblib.load looks into it."""
    joblib.dump(Evil(mark), path, compress=("gzip", 3))


def by_array_of_objects(path: Path, mark: Path) -> None:
    """Write an array of objects, which joblib pickles inside its own format."""
    joblib.dump(np.array([Evil(mark)], dtype=object), path)


# The documentation of pickle: "Warning: The pickle module is not secure. Only unpickle data you trust."
def by_pickle(path: Path, mark: Path, protocol: int | None = None) -> None:
    """Write a pickle."""
    path.write_bytes(pickle.dumps(Evil(mark), protocol))


def by_oldest_pickle(path: Path, mark: Path) -> None:
    """Write a pickle of text, which does not begin as others do."""
    by_pickle(path, mark, 0)


def by_gzipped_pickle(path: Path, mark: Path) -> None:
    """Write a pickle that its reader has to unpack."""
    path.write_bytes(gzip.compress(pickle.dumps(Evil(mark))))


# torch.jit.load: "It is possible to construct malicious pickle data which will execute arbitrary code during
# torch.jit.load. Never load data that could have come from an untrusted source"; PyTorch's SECURITY.md:
# TorchScript models are to be "treated the same way as locally executable code from an unknown source".
def by_torchscript(path: Path, mark: Path) -> None:
    """Write a script that writes to a file of its choice when it is loaded."""
    torch = pytest.importorskip("torch")
    module = type(f"Script{next(NUMBERS)}", (torch.jit.ScriptModule,), {})()  # a class has its methods once
    module.define("def __getstate__(self) -> Tuple[int, bool]:\n    return (1, self.training)\n")
    module.define(SCRIPT.format(path=str(mark)))
    module.define("def forward(self, x):\n    return x\n")
    module.save(str(path))


# torch.export.load "uses pickle under the hood to load models. Never load data from an untrusted source."
def by_export(path: Path, mark: Path) -> None:
    """Write an exported program whose sample inputs are a pickle."""
    torch = pytest.importorskip("torch")
    program = torch.export.export(torch.nn.Linear(2, 1), (torch.ones(1, 2),))
    whole, sample = io.BytesIO(), io.BytesIO()
    torch.export.save(program, whole)
    torch.save((Evil(mark),), sample)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, sample.getvalue() if "sample_inputs" in name else source.read(name))


# torch.load: "uses an unpickler under the hood. Never load data from an untrusted source." It is not called.
def by_torch_save(path: Path, mark: Path) -> None:
    """Write what torch.save makes of a whole module, or of weights with more in them."""
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.ones(1), "more": Evil(mark)}, path)


def by_old_torch_save(path: Path, mark: Path) -> None:
    """Write the same in the format before zip archives."""
    torch = pytest.importorskip("torch")
    torch.save(Evil(mark), path, _use_new_zipfile_serialization=False)


# skops.io.load: "aims at providing a secure persistence feature that does not rely on pickle"; "The object
# will be loaded only if there are only trusted objects".
def by_skops(path: Path, mark: Path) -> None:
    """Write a model of skops whose parts are a call of `os.mkdir`, by each node that names a function."""
    skops.io.dump(MODEL, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True}
    argument = text | {"content": json.dumps(str(mark)), "__id__": 900}
    function = {"__class__": "mkdir", "__module__": "os", "__loader__": "FunctionNode", "__id__": 901}
    function["content"] = {"function": "mkdir", "module_path": "os"}
    partial = {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode", "__id__": 902}
    partial["content"] = {"func": function, "args": argument, "kwds": argument, "namespace": argument}
    method = {"__class__": "mkdir", "__module__": "os", "__loader__": "MethodNode", "__id__": 903}
    method["content"] = {"func": "mkdir", "obj": function}
    for number, node in enumerate((function, partial, method)):
        schema["content"]["content"][f"evil{number}"] = node
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def by_skops_with_pickles(path: Path, mark: Path) -> None:
    """Write a model of skops whose arrays are pickles: numpy.load is told not to read them."""
    skops.io.dump(MODEL, path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        schema = archive.read("schema.json")
    objects = io.BytesIO()
    np.save(objects, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
        for name in names:
            if name != "schema.json":
                archive.writestr(name, objects.getvalue())


# XGBoost's "Security disclosure": it is "not designed to protect against pickle data from an untrusted
# source". JSON and UBJSON hold parameters and trees, and no callables.
def by_xgboost_attributes(path: Path, mark: Path) -> None:
    """Write a Booster whose attributes and configuration hold a pickle as text."""
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.eye(3), [0, 1, 0]), 1)
    text = pickle.dumps(Evil(mark), 0).decode()
    booster.set_attr(scikit_learn=text, callbacks=text)
    booster.save_model(path)


def by_deprecated_xgboost(path: Path, _mark: Path) -> None:
    """Write the head of the binary format that XGBoost no longer writes."""
    path.write_bytes(b"binf" + bytes(400))


# ONNX Runtime has no statement of its own; an operator that is none of its own needs a library that the
# program registers (SessionOptions.register_custom_ops_library), which we never call.
def by_python_operator(path: Path, mark: Path) -> None:
    """Write a graph with the operator that calls Python, where ONNX Runtime was built with it."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (path.parent / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    helper = onnx.helper
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    node = helper.make_node("PyOp", ["x"], ["y"], domain="com.microsoft", module="evil", class_name="E")
    graph = helper.make_graph([node], "graph", infos[:1], infos[1:])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString())


Write = Callable[[Path, Path], None]
PROGRAMS: list[tuple[str, Write]] = [
    ("model.joblib", by_joblib),
    ("model.joblib", by_compressed_joblib),
    ("model.joblib", by_array_of_objects),
    ("model.joblib", by_pickle),
    ("model.pkl", by_pickle),
    ("model.pkl", by_oldest_pickle),
    ("model.pkl", by_gzipped_pickle),
    ("model.pkl", by_joblib),
    ("xgboost-model", by_pickle),
    ("model.pt", by_torchscript),
    ("model.pth", by_torchscript),
    ("model.pt2", by_export),
]
NO_PROGRAMS: list[tuple[str, Write]] = [
    *((name, by_torch_save) for name in ("model.pt", "model.pth", "model.pt2", "model.bin")),
    *((name, by_old_torch_save) for name in ("model.pt", "model.pth", "model.pt2")),
    *((f"model.{suffix}", by_export) for suffix in ("pt", "pth", "onnx", "skops", "ubj", "safetensors")),
    *((f"model.{suffix}", by_torchscript) for suffix in ("onnx", "skops", "ubj", "safetensors", "bin")),
    *((f"model.{suffix}", by_joblib) for suffix in ("onnx", "skops", "ubj", "json", "safetensors", "pt2")),
    *((f"model.{suffix}", by_oldest_pickle) for suffix in ("onnx", "skops", "ubj", "json", "pt")),
    ("xgboost-model", by_oldest_pickle),
    ("xgboost-model", by_gzipped_pickle),
    ("xgboost-model", by_deprecated_xgboost),
    ("model.ubj", by_deprecated_xgboost),
    ("model.skops", by_skops),
    ("model.skops", by_skops_with_pickles),
    ("model.onnx", by_python_operator),
]


def case_id(case: object) -> str:
    """Return a name for a case."""
    return case if isinstance(case, str) else getattr(case, "__name__", str(case))


@pytest.mark.parametrize(("name", "write"), PROGRAMS + NO_PROGRAMS, ids=case_id)
@pytest.mark.parametrize("profile", ["none", "sklearn", "pytorch"])
def test_safe_mode_runs_nothing(
    model_dir: Path, tmp_path: Path, name: str, write: Write, profile: str
) -> None:
    """A hostile file under any name and in any profile ends the load, and none of it has run."""
    write(model_dir / name, tmp_path / "pwned")
    with pytest.raises(ModelLoadError):
        load_handler(settings(model_dir, SAGEMAKER_PROFILE=profile))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(("name", "write"), PROGRAMS, ids=case_id)
def test_programs_are_refused_unread_by_name_of_the_variable(
    model_dir: Path, tmp_path: Path, name: str, write: Write
) -> None:
    """What a format's library takes for a program is refused for that, and is one without the variable."""
    write(model_dir / name, tmp_path / "pwned")
    with pytest.raises(ModelLoadError, match="SAGEMAKER_SAFE_MODELS_ONLY"):
        load_handler(settings(model_dir))
    with contextlib.suppress(MlberthError):
        load_handler(settings(model_dir, "false"))
    assert (tmp_path / "pwned").exists()


@pytest.mark.parametrize(("name", "write"), NO_PROGRAMS, ids=case_id)
def test_no_other_file_is_a_program_in_any_mode(
    model_dir: Path, tmp_path: Path, name: str, write: Write
) -> None:
    """Without the variable these do not run either: no loader falls back to another."""
    if name.endswith(".pt2"):
        pytest.skip("what is read as torch.export's may be a program")
    write(model_dir / name, tmp_path / "pwned")
    with pytest.raises(ModelLoadError):
        load_handler(settings(model_dir, "false"))
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(("name", "write"), PROGRAMS + NO_PROGRAMS, ids=case_id)
def test_ensemble_in_safe_mode_runs_nothing(
    model_dir: Path, tmp_path: Path, load_project: LoadProject, name: str, write: Write
) -> None:
    """The xgboost profile reads files of every name: the first of a folder, and one beside a good model."""
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.eye(3), [0, 1, 0]), 1)
    booster.save_model(model_dir / "b.ubj")
    write(tmp_path / name, tmp_path / "pwned")
    safe = {"SAGEMAKER_PROFILE": "xgboost", "SAGEMAKER_SAFE_MODELS_ONLY": "true"}
    for place, whole in (("a", "false"), ("z", "true")):
        path = model_dir / f"{place}{name}"
        path.write_bytes((tmp_path / name).read_bytes())
        with pytest.raises(ModelLoadError, match=path.name):
            load_project(**safe, SAGEMAKER_INFERENCE_ENSEMBLE=whole)
        path.unlink()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["model.ubj", "model.json"])
def test_attributes_of_a_booster_are_text(model_dir: Path, tmp_path: Path, name: str) -> None:
    """A Booster with pickles in its attributes is loaded and asked; they stay what they are."""
    by_xgboost_attributes(model_dir / name, tmp_path / "pwned")
    handler = load_handler(settings(model_dir))
    assert handler.predict_fn
    handler.predict_fn(np.eye(3), handler.model, Context())
    assert not (tmp_path / "pwned").exists()


def test_links_are_what_they_lead_to(model_dir: Path, tmp_path: Path) -> None:
    """A link with the name of a safe format to a pickle is refused, as the pickle is."""
    by_pickle(tmp_path / "evil.pkl", tmp_path / "pwned")
    for name in ("model.skops", "model.ubj", "model.onnx", "xgboost-model", "model.pt2"):
        (model_dir / name).symlink_to(tmp_path / "evil.pkl")
        with pytest.raises(ModelLoadError):
            load_handler(settings(model_dir))
        (model_dir / name).unlink()
    assert not (tmp_path / "pwned").exists()


def test_files_beside_a_model_are_left_alone(model_dir: Path, tmp_path: Path) -> None:
    """Companions of every kind lie beside a safe model: none is read as code, and none is unpacked."""
    skops.io.dump(MODEL, model_dir / "model.skops")
    mark = tmp_path / "pwned"
    program = f"import os\nos.mkdir({str(mark)!r})\n"
    for name in ("sitecustomize.py", "usercustomize.py", "skops.py", "sklearn.py", "json.py", "numpy.py"):
        (model_dir / name).write_text(program)
    (model_dir / "evil.pth").write_text(f"import os; os.mkdir({str(mark)!r})\n")
    (model_dir / "libcustom_ops.so").write_bytes(b"\x7fELF")
    by_pickle(model_dir / "preprocessor.bin", mark)
    by_joblib(model_dir / ".model.joblib", mark)
    with zipfile.ZipFile(model_dir / "more.zip", "w") as archive:
        archive.writestr("inference.py", program)
    (model_dir / "MAR-INF").mkdir()
    (model_dir / "MAR-INF/MANIFEST.json").write_text('{"model": {"handler": "json.py"}}')
    (model_dir / "evil.pth").rename(model_dir / "evil.path")  # a .pth is a model file of PyTorch's
    assert load_handler(settings(model_dir)).predict_fn
    assert not mark.exists()
