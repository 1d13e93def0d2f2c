"""Which device a worker predicts on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.serve.conftest import LoadProject

from mlberth_serve import frameworks
from mlberth_serve.frameworks.device import choose_device


@pytest.mark.parametrize(
    ("gpus", "devices"),
    [
        (0, ["cpu", "cpu", "cpu"]),
        (1, ["cuda:0", "cuda:0", "cuda:0"]),
        (2, ["cuda:0", "cuda:1", "cuda:0"]),
        (4, ["cuda:0", "cuda:1", "cuda:2"]),
    ],
)
def test_workers_take_the_gpus_in_turn(gpus: int, devices: list[str]) -> None:
    """No GPU stands idle while another has two workers."""
    assert [choose_device(worker, gpus) for worker in range(3)] == devices


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("own_predict", [True, False])
def test_model_is_moved_where_we_ask_it(
    model_dir: Path, load_project: LoadProject, monkeypatch: pytest.MonkeyPatch, own_predict: bool
) -> None:
    """A model is moved only where no predict_fn of the user's expects it on the CPU."""
    torch = pytest.importorskip("torch")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1)), model_dir / "model.pt")
    if own_predict:
        (model_dir / "code").mkdir()
        (model_dir / "code/inference.py").write_text("def predict_fn(data, model):\n    return data\n")
    moved: list[Any] = []
    monkeypatch.setattr(frameworks.torch, "place", lambda model, worker: moved.append(worker))
    load_project().place(3)
    assert moved == ([] if own_predict else [3])


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_without_a_gpu_a_model_stays(model_dir: Path, load_project: LoadProject) -> None:
    """On a machine without GPUs nothing is moved, and other models have no device."""
    torch = pytest.importorskip("torch")
    if torch.cuda.device_count():
        pytest.skip("there is a GPU")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1)), model_dir / "model.pt")
    load_project().place(0)
    frameworks.place(object(), 0)
