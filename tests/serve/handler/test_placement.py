"""Which device a model predicts on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serve.conftest import LoadProject

from mlberth.contract.resources import count_visible
from mlberth_serve import frameworks
from mlberth_serve.frameworks import onnx
from mlberth_serve.handler.placement import current_placement, worker_index
from mlberth_serve.inference.load_handler import load_handler
from mlberth_serve.settings import Settings


class Module:
    """What PyTorch's modules are here: it can be moved."""

    def __init__(self) -> None:
        self.device = "cpu"

    def to(self, device: str) -> None:
        """Move."""
        self.device = device


Module.__module__ = "torch.nn.modules.module"


class InferenceSession:
    """What ONNX Runtime's sessions are here: they can be given other providers."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    options: tuple[dict[str, str], ...] = ()

    def set_providers(self, providers: list[str], options: list[dict[str, str]]) -> None:
        """Begin anew with other providers."""
        self.providers, self.options = tuple(providers), tuple(options)

    def get_providers(self) -> list[str]:
        """Return them."""
        return list(self.providers)


InferenceSession.__module__ = "onnxruntime.capi.onnxruntime_inference_collection"


def test_module_is_moved_to_its_worker() -> None:
    """A module goes to a GPU; what belongs to no framework with devices stays, and all stay on the CPU."""
    module = Module()
    frameworks.move_to(module, "cpu")
    assert module.device == "cpu"
    frameworks.move_to(module, "cuda:1")
    assert module.device == "cuda:1"
    frameworks.move_to(object(), "cuda:1")


def test_session_takes_cuda_where_it_is_there() -> None:
    """A session runs on its worker's GPU where ONNX Runtime has the provider, and on the CPU otherwise."""
    session = InferenceSession()
    onnx.move_to(session, "cuda:1", lambda: ["CPUExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    onnx.move_to(session, "cuda:1", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert session.get_providers() == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert session.options == ({"device_id": "1"}, {})


def test_session_without_cuda_stays_where_it_is() -> None:
    """The package for the CPU alone has no provider for a GPU, and is asked which it has."""
    pytest.importorskip("onnxruntime")
    session = InferenceSession()
    frameworks.move_to(session, "cuda:0")
    assert session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("selection", "gpus"),
    [
        (None, 4),
        ("", 0),
        ("-1", 0),
        ("2", 1),
        ("0, 3", 2),
        ("1,-1,2", 1),
        ("4,0", 0),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,1", 2),
        ("NoDevFiles", 0),
        ("0,²,1", 1),
        ("0,\uff11", 1),
        ("0," + "9" * 5000, 1),
    ],
)
def test_devices_are_those_that_cuda_shows(selection: str | None, gpus: int) -> None:
    """CUDA_VISIBLE_DEVICES hides GPUs: those after one that does not exist too."""
    assert count_visible(selection, 4) == gpus


def test_workers_take_the_visible_gpus_in_turn() -> None:
    """They are numbered from 0 inside the process, whichever they are; without any it is the CPU."""
    token = worker_index.set(3)
    try:
        assert current_placement("", 2).device == "cuda:1"
        assert current_placement("", 0).device == "cpu"
    finally:
        worker_index.reset(token)
    assert Settings.from_environ({"CUDA_VISIBLE_DEVICES": ""}).gpus == 0


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("code", ["", "def predict_fn(data, model):\n    return data\n"])
def test_model_is_moved_only_where_we_ask_it(model_dir: Path, load_project: LoadProject, code: str) -> None:
    """A predict_fn of the user's moves the model itself, to `context.device`."""
    torch = pytest.importorskip("torch")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1)), model_dir / "model.pt")
    (model_dir / "code").mkdir()
    if code:
        (model_dir / "code/inference.py").write_text(code)
    handler = load_handler(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(model_dir.parent)}))
    assert handler.can_move == (not code)
    load_project().warm_up()
