"""Typed environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.contract.environment import Environment
from mlberth.envvars import BOOLEAN, LOG_LEVEL, Reader, Variable, one_of, seconds, whole_number
from mlberth.errors import ContractError
from mlberth_serve import variables as serve_variables
from mlberth_serve.settings import Settings
from mlberth_train import variables as train_variables
from mlberth_train.jobs.training import Training
from mlberth_train.launch.child_environment import child_environ

WORKERS = Variable("WORKERS", whole_number(1, 64), 2, "")
TIMEOUT = Variable("TIMEOUT", seconds(1, 100), 60.0, "", aliases=("OLD_TIMEOUT",))
TOKEN = Variable("API_TOKEN", whole_number(1, 2), 1, "")


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1000000000", "4.5", "4_0", "\uff14", "४", "9" * 5000])
def test_bad_number_is_an_error_never_a_default(value: str) -> None:
    """A number that does not fit is named with what was found and expected."""
    reader = Reader({"WORKERS": value})
    reader.get(WORKERS)
    with pytest.raises(ContractError) as error:
        reader.check()
    assert str(error.value).startswith(f"WORKERS: found {value!r}; expected a whole number from 1 to 64.")


@pytest.mark.parametrize("value", ["60s", "nan", "inf", "-1", "0", "1_0", "\uff16\uff10", "9" * 5000])
def test_bad_duration(value: str) -> None:
    """Seconds are a bare number in range; nan and infinity are none."""
    reader = Reader({"TIMEOUT": value})
    reader.get(TIMEOUT)
    with pytest.raises(ContractError, match="without a unit"):
        reader.check()


def test_every_fault_is_reported_at_once() -> None:
    """One run tells all that is wrong."""
    reader = Reader({"WORKERS": "x", "TIMEOUT": "y"})
    reader.get(WORKERS)
    reader.get(TIMEOUT)
    with pytest.raises(ContractError) as error:
        reader.check()
    assert [fault.where for fault in error.value.faults] == ["WORKERS", "TIMEOUT"]


def test_secret_value_is_not_shown() -> None:
    """The message about a faulty secret does not hold it."""
    reader = Reader({"API_TOKEN": "hunter2"})
    reader.get(TOKEN)
    with pytest.raises(ContractError) as error:
        reader.check()
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("nothing", ["", " ", "\t"])
def test_an_empty_variable_is_an_unset_one(nothing: str) -> None:
    """Compose, charts and CI write NAME= for what nobody has set: the next name or the default counts."""
    assert Reader({"WORKERS": nothing}).get(WORKERS) == 2
    assert Reader({"TIMEOUT": nothing, "OLD_TIMEOUT": "5"}).get(TIMEOUT) == 5.0
    assert Reader({"TIMEOUT": nothing, "OLD_TIMEOUT": nothing}).get(TIMEOUT) == 60.0


def test_every_variable_of_ours_may_be_empty(tmp_path: Path) -> None:
    """All of them at once: each command reads what it reads without any."""
    nothing = {
        name: ""
        for variable in (*train_variables.ALL, *serve_variables.ALL)
        for name in (variable.name, *variable.aliases)
    }
    base = {"SAGEMAKER_BASE_DIR": str(tmp_path)}
    meant = {"CUDA_VISIBLE_DEVICES": "", "SAGEMAKER_PIP_CONSTRAINTS": ""}
    assert vars(Settings({**nothing, **base})) == vars(Settings({**base, **meant}))
    assert Training.from_environ({**nothing, **base}) == Training.from_environ({**base, **meant})


def test_hyperparameters_hold_if_the_variable_is_empty(tmp_path: Path) -> None:
    """What the environment says nothing of, the job's hyperparameters say."""
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    text = '{"sagemaker_program": "fit.py", "sagemaker_region": "eu-west-1"}'
    (config / "hyperparameters.json").write_text(text)
    base = {"SAGEMAKER_BASE_DIR": str(tmp_path), "SAGEMAKER_PROGRAM": "", "SAGEMAKER_REGION": ""}
    environment = Environment.from_environ(base)
    assert environment.program == "fit.py"
    assert child_environ(base, environment)["SAGEMAKER_REGION"] == "eu-west-1"


def test_alias_names_itself_in_its_error() -> None:
    """The message names the variable that the user set."""
    reader = Reader({"OLD_TIMEOUT": "x"})
    reader.get(TIMEOUT)
    with pytest.raises(ContractError, match=r"^OLD_TIMEOUT"):
        reader.check()


@pytest.mark.parametrize(
    ("value", "level"), [("20", 20), ('"20"', 20), ("INFO", 20), ("debug", 10), ("WARN", 30), ("0", 0)]
)
def test_log_level_by_name_or_number(value: str, level: int) -> None:
    """A level is a name in any case or a number, quoted or not."""
    assert LOG_LEVEL.parse(value) == level


@pytest.mark.parametrize(("value", "on"), [("true", True), ("False", False), ("1", True), ("off", False)])
def test_switch(value: str, on: object) -> None:
    """A switch takes the usual words."""
    assert BOOLEAN.parse(value) is on


def test_values_are_stripped_and_defaults_used() -> None:
    """Blanks around a value do not matter, and an absent variable is its default."""
    reader = Reader({"WORKERS": " 4 "})
    assert (reader.get(WORKERS), reader.get(TIMEOUT)) == (4, 60.0)
    assert one_of("a", "b").parse("A") == "a"
    reader.check()


@pytest.mark.parametrize("value", ["2_0", "\uff12\uff10", "9" * 5000, "101"])
def test_bad_log_level(value: str) -> None:
    """A level's number is written in plain digits, and is in range."""
    reader = Reader({"LEVEL": value})
    reader.get(Variable("LEVEL", LOG_LEVEL, 20, ""))
    with pytest.raises(ContractError, match=r"a level by name .* or number"):
        reader.check()
