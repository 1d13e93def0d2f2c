"""Loads and unloads: in order for each name, refused for lack of room, and told in words without a path."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest

from mlberth.errors import Fault, ModelLoadError
from mlberth.process.children import Child
from mlberth_serve.control.models.errors import ModelsError
from mlberth_serve.control.models.model import Model, State
from mlberth_serve.control.models.registry import Operation, Registry
from mlberth_serve.control.models.room import Room
from mlberth_serve.shared.failure_report import Failure, describe

GIB = 1 << 30


class FakeModel:
    """A model whose steps a test takes: `state` is what it is set to."""

    children: tuple[Child, ...] = ()
    children_have_ended = is_busy = is_reloading = exhausted = False
    board = None
    failure: Failure | None = None

    def __init__(self, name: str, url: str, folder: Path) -> None:
        self.name, self.url, self.folder = name, url, folder
        self.state = State.LOADING
        self.began = time.monotonic()

    def advance(self) -> None:
        """Take no step."""

    def unload(self) -> None:
        """Begin to end."""
        self.state = State.UNLOADING

    def give_up(self) -> None:
        """Have no memory."""
        self.exhausted = True


class Machine:
    """A registry over fake models, and the memory that is left."""

    def __init__(self, root: Path) -> None:
        self.made: list[FakeModel] = []
        self.retired: list[str] = []
        self.left = 8 * GIB
        room = Room(left=lambda: self.left, limit=lambda: 8 * GIB)
        self.registry = Registry(root, self._make, room, retire=lambda model: self.retired.append(model.name))

    def _make(self, name: str, url: str, folder: Path) -> Model:
        self.made.append(FakeModel(name, url, folder))
        return cast("Model", self.made[-1])

    def load(self, name: str = "a") -> Operation:
        """Ask for the model `a`, and take a step."""
        operation = self.registry.load(name, "a")
        self.registry.advance()
        return operation

    def become(self, state: State) -> None:
        """Let the newest model be in a state, and take the steps that follow."""
        self.made[-1].state = state
        self.registry.advance()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine with a folder for one model."""
    (tmp_path / "a").mkdir()
    return Machine(tmp_path)


def status(operation: Operation) -> Any:
    """Return an operation's status, None while it goes on."""
    if operation.result is None:
        return None
    return operation.result.status if isinstance(operation.result, ModelsError) else 200


def test_a_load_ends_when_the_model_is_ready(machine: Machine) -> None:
    """Not before, and until then the model is not loaded."""
    load = machine.load()
    assert (status(load), machine.registry.all_loaded()) == (None, [])
    machine.become(State.READY)
    assert status(load) == 200
    assert [model.name for model in machine.registry.all_loaded()] == ["a"]


def test_requests_for_one_name_are_carried_out_in_their_order(machine: Machine) -> None:
    """Load, unload, load, load: each waits for the one before, and the last finds the model loaded."""
    loads = [machine.load()]
    unload = machine.registry.unload("a")
    loads += [machine.registry.load("a", "a"), machine.registry.load("a", "a")]
    machine.registry.advance()
    assert [status(one) for one in (*loads, unload)] == [None] * 4
    machine.become(State.READY)
    assert (status(loads[0]), status(unload), len(machine.made)) == (200, None, 1)
    assert machine.made[0].state is State.UNLOADING
    machine.become(State.GONE)
    assert (status(unload), machine.retired, len(machine.made)) == (200, ["a"], 2)
    machine.become(State.READY)
    assert [status(one) for one in loads] == [200, 200, 409]


def test_another_name_does_not_wait(machine: Machine) -> None:
    """A load that takes long holds up nothing but its own name."""
    slow = machine.load("slow")
    machine.load("quick")
    machine.become(State.READY)
    assert status(slow) is None
    assert [model.name for model in machine.registry.all_loaded()] == ["quick"]


def test_a_load_that_fails_leaves_the_name_free(machine: Machine, tmp_path: Path) -> None:
    """500 with the cause, in which no folder of this machine is told."""
    load = machine.load()
    fault = Fault(f"the model folder {tmp_path}/a", "/opt/secret/x.bin is damaged", "a model")
    machine.made[0].failure = describe(ModelLoadError(fault))
    machine.become(State.GONE)
    assert status(load) == 500
    assert isinstance(load.result, ModelsError)
    assert "x.bin is damaged" in load.result.message
    assert str(tmp_path) not in load.result.message
    assert "/opt/secret" not in load.result.message
    assert status(machine.load()) is None


def test_room_before_during_and_after_a_load(machine: Machine, tmp_path: Path) -> None:
    """507 each time; a model that is alone may use what there is."""
    with (tmp_path / "a" / "weights").open("wb") as file:
        file.truncate(8 * GIB)
    assert (status(machine.load()), machine.made) == (507, [])
    (tmp_path / "a" / "weights").unlink()
    machine.load("first")
    machine.become(State.READY)
    load = machine.load("during")
    machine.left = 1 << 20
    machine.registry.advance()
    assert machine.made[-1].exhausted
    machine.become(State.GONE)
    assert status(load) == 507
    machine.left = 8 * GIB
    load = machine.load("after")
    machine.left = 100 << 20
    machine.become(State.READY)
    assert (status(load), machine.made[-1].state) == (None, State.UNLOADING)
    machine.become(State.GONE)
    assert status(load) == 507
    assert machine.registry.counts["refused"] == 3


def test_a_stop_answers_those_who_wait(machine: Machine) -> None:
    """503, and every model is told to end."""
    load = machine.load()
    machine.registry.end()
    assert status(load) == 503
    assert machine.made[0].state is State.UNLOADING
