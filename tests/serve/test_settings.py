"""What a server is told: values that do not fit are refused by name, and never replaced by a default."""

from __future__ import annotations

import pytest

from mlberth.errors import ContractError
from mlberth_serve.settings import Settings
from mlberth_serve.variables import Variables

FAULTY = {
    "SAGEMAKER_MODEL_SERVER_WORKERS": ["0", "-1", "abc", "1e9", "1000000000", "1.5"],
    "SAGEMAKER_MODEL_SERVER_TIMEOUT": ["0", "-1", "60s", "nan", "inf"],
    "SAGEMAKER_BIND_TO_PORT": ["0", "-80", "99999", "http"],
    "SAGEMAKER_BIND_TO_HOST": ["everywhere", "127.0.0.256", "::1%lo", "127.0.0.1:80"],
    "SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT": ["0", "-1", "many"],
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": ["-1", "6MB", "1e3", "4096", "0.5"],
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": ["0", "-1", "all"],
    "SAGEMAKER_BATCH_STRATEGY": ["Single", "both"],
    "SAGEMAKER_BATCH": ["maybe", "2"],
    "SAGEMAKER_SAFE_PORT_RANGE": [
        "9000-8000",
        "0-1",
        "1-65536",
        "8000",
        "a-b",
        "1-2-3",
        "\uff11-2",
        "1-2_0",
    ],
    "MODEL_SERVER_WORKERS": ["0", "all"],
    "MODEL_SERVER_TIMEOUT": ["0", "60s"],
    "MAX_CONTENT_LENGTH": ["0", "6MB"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in FAULTY for value in FAULTY[name]])
def test_faulty_value_is_refused(name: str, value: str) -> None:
    """The error names the variable and what was found; the exit code is that of a wrong configuration."""
    with pytest.raises(ContractError) as caught:
        Settings.from_environ({"SAGEMAKER_BATCH": "true", name: value})
    (fault,) = caught.value.faults
    assert caught.value.exit_code == 78
    assert (fault.where, fault.found) == (name, repr(value))


def test_white_space_around_a_number_is_no_part_of_it() -> None:
    """` 4 ` is 4."""
    settings = Settings.from_environ({"SAGEMAKER_MODEL_SERVER_WORKERS": " 4 "})
    assert settings.workers == 4


def test_payload_of_zero_is_no_limit() -> None:
    """In a batch transform too, and the platform is told so."""
    settings = Settings.from_environ({"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    assert settings.max_payload_bytes is None
    assert settings.execution_parameters["MaxPayloadInMB"] == 0


def test_platform_budget_bounds_concurrency() -> None:
    """MaxConcurrentTransforms x MaxPayloadInMB is 100 at most, and one transform always runs."""
    for payload, expected in ((6, 16), (100, 1), (2048, 1)):
        told = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": str(payload), "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1000"}
        settings = Settings.from_environ({"SAGEMAKER_BATCH": "true", **told})
        assert settings.execution_parameters["MaxConcurrentTransforms"] == expected


ALIASES = {
    "workers": (
        "SAGEMAKER_MODEL_SERVER_WORKERS",
        ["MODEL_SERVER_WORKERS", "SAGEMAKER_GUNICORN_WORKERS", "SAGEMAKER_NUM_MODEL_WORKERS"],
    ),
    "timeout": (
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        [
            "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
            "MODEL_SERVER_TIMEOUT",
            "SAGEMAKER_GUNICORN_TIMEOUT_SECONDS",
            "SAGEMAKER_TS_RESPONSE_TIMEOUT",
        ],
    ),
    "log_level": ("SAGEMAKER_CONTAINER_LOG_LEVEL", ["SAGEMAKER_GUNICORN_LOGLEVEL"]),
}


@pytest.mark.parametrize(
    ("field", "own", "alias"),
    [(field, own, alias) for field, (own, aliases) in ALIASES.items() for alias in aliases],
)
def test_names_of_other_containers_are_read_after_ours(field: str, own: str, alias: str) -> None:
    """Other containers' variables mean the same here, and ours wins where both are set."""
    assert getattr(Settings.from_environ({alias: "7"}), field) == 7
    assert getattr(Settings.from_environ({alias: "7", own: "8"}), field) == 8


@pytest.mark.parametrize("name", ["MAX_CONTENT_LENGTH", "SAGEMAKER_MAX_REQUEST_SIZE", "TS_MAX_REQUEST_SIZE"])
def test_limit_in_bytes(name: str) -> None:
    """It is the limit to the byte, and told to a batch transform in MB; the one in MB wins."""
    settings = Settings.from_environ({name: "7340033"})
    assert settings.max_payload_bytes == 7340033
    assert settings.execution_parameters["MaxPayloadInMB"] == 7
    assert Settings.from_environ({name: "100"}).execution_parameters["MaxPayloadInMB"] == 1
    both = Settings.from_environ({name: "100", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"})
    assert both.max_payload_bytes is None


def test_queue_of_other_containers() -> None:
    """How many wait and how many are worked on make how many are in flight; our own limit wins."""
    queue = {"SAGEMAKER_MODEL_SERVER_WORKERS": "3", "SAGEMAKER_MODEL_JOB_QUEUE_SIZE": "10"}
    assert Settings.from_environ(queue).max_in_flight == 13
    own = Settings.from_environ({**queue, "SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT": "5"})
    assert own.max_in_flight == 5


def test_safe_port_range_is_read() -> None:
    """Two ports, the first not after the last."""
    assert Settings.from_environ({"SAGEMAKER_SAFE_PORT_RANGE": "9000 - 9100"}).safe_port_range == "9000-9100"


def test_each_variable_is_declared_once_and_read_at_once() -> None:
    """A class's attribute is the variable, an instance's its value, which nobody can change."""
    declared = Variables.declared()
    assert len({variable.name for variable in declared.values()}) == len(declared)
    settings = Settings.from_environ({Variables.timeout.name: "7"})
    assert (Variables.timeout.default, settings.timeout) == (60.0, 7.0)
    assert vars(settings).keys() >= declared.keys()
    with pytest.raises(AttributeError, match="timeout"):
        settings.timeout = 8.0


def test_each_of_several_models_has_one_worker_unless_told() -> None:
    """The number of a server's workers is that of each model's, and there may be hundreds of models."""
    assert Settings.from_environ({"SAGEMAKER_MULTI_MODEL": "true"}).workers == 1
    told = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_NUM_MODEL_WORKERS": "3"}
    assert Settings.from_environ(told).workers == 3


def test_what_several_models_cannot_have_is_told_at_once() -> None:
    """Both variables, by name."""
    variables = {"SAGEMAKER_USE_NGINX": "false", "SAGEMAKER_SERVING_MODULE": "a:b"}
    with pytest.raises(ContractError) as caught:
        Settings.from_environ({"SAGEMAKER_MULTI_MODEL": "true", **variables})
    assert [fault.where for fault in caught.value.faults] == list(variables)


@pytest.mark.parametrize("value", ["true", "yes", "2"])
def test_workers_that_models_share_are_refused(value: str) -> None:
    """The error says so by the variable's name; `false` asks for what there is."""
    name = "SAGEMAKER_MULTI_MODEL_SHARED"
    with pytest.raises(ContractError, match=name):
        Settings.from_environ({"SAGEMAKER_MULTI_MODEL": "true", name: value})
    assert Settings.from_environ({"SAGEMAKER_MULTI_MODEL": "true", name: "false"}).multi_model
