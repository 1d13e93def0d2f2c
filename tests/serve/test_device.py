"""Which device a model predicts on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serve.conftest import LoadProject

from mlberth_serve import frameworks
from mlberth_serve.handler import load_handler
from mlberth_serve.settings import Settings


class Module:
    """What PyTorch's modules are here: it can be moved."""

    def __init__(self) -> None:
        self.device = "cpu"

    def to(self, device: str) -> None:
        """Move."""
        self.device = device


Module.__module__ = "torch.nn.modules.module"


def test_module_is_moved_to_its_worker() -> None:
    """A module goes to a GPU; what belongs to no framework with devices stays, and all stay on the CPU."""
    module = Module()
    frameworks.place(module, "cpu")
    assert module.device == "cpu"
    frameworks.place(module, "cuda:1")
    assert module.device == "cuda:1"
    frameworks.place(object(), "cuda:1")


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
    assert handler.may_be_placed == (not code)
    load_project().warm_up()
