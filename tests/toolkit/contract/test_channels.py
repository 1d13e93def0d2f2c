"""Channels: names of folders below input/data, each with its faults."""

from __future__ import annotations

import pytest
from tests.conftest import WriteConfig
from tests.toolkit.contract.reading import job

from mlberth.contract.environment import Environment
from mlberth.errors import ContractError


def test_folders_are_channels_where_no_file_says_otherwise(write_config: WriteConfig) -> None:
    """Somebody who mounts a tree by hand gets the channels that are there."""
    layout = write_config()
    (layout.data / "training").mkdir()
    (layout.data / ".hidden").mkdir()
    (layout.data / "loose.csv").touch()
    assert list(Environment.from_environ({"SAGEMAKER_BASE_DIR": str(layout.base)}).channels) == ["training"]


@pytest.mark.parametrize("name", ["../../etc", "", "..", "a/b", "."])
def test_channel_that_leads_elsewhere(write_config: WriteConfig, name: str) -> None:
    """A channel's name is a folder's name."""
    with pytest.raises(ContractError, match="leads elsewhere"):
        job(write_config, inputdataconfig={name: {"TrainingInputMode": "File"}})


def test_every_faulty_channel_is_named(write_config: WriteConfig) -> None:
    """A channel without its folder, one that is no object and one with an unknown mode, at once."""
    config = {
        "gone": {},
        "odd": 5,
        "mode": {"TrainingInputMode": "Fax"},
        "pipe": {"TrainingInputMode": "Pipe"},
    }
    with pytest.raises(ContractError) as error:
        job(write_config, inputdataconfig=config)
    text = str(error.value)
    assert [name in text for name in ("'gone'", "'odd'", "'mode'", "'pipe'")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (
            {"S3DistributionType": "Sharded"},
            "S3DistributionType: found 'Sharded'; expected FullyReplicated or",
        ),
        ({"RecordWrapperType": "recordio"}, "RecordWrapperType: found 'recordio'; expected None or RecordIO"),
        ({"CompressionType": "zip"}, "CompressionType: found 'zip'; expected None or Gzip"),
        ({"ContentType": 5}, "ContentType: found 5; expected text"),
        ({"ShuffleConfig": {"Seed": "7"}}, 'ShuffleConfig: found .*; expected an object such as {"Seed": 7}'),
        ({"ShuffleConfig": 7}, "ShuffleConfig: found 7"),
    ],
)
def test_a_field_that_is_not_what_the_platform_writes(
    write_config: WriteConfig, entry: dict[str, object], field: str
) -> None:
    """Each field has its values; the message has the field, the value and what fits."""
    with pytest.raises(ContractError, match=f"channel 'training', {field}"):
        job(write_config, inputdataconfig={"training": entry})


def test_nulls_are_absent(write_config: WriteConfig) -> None:
    """Somebody who writes every field may have nothing to say in some."""
    entry = {
        "TrainingInputMode": "Pipe",
        "ContentType": None,
        "RecordWrapperType": None,
        "ShuffleConfig": None,
    }
    found = job(write_config, inputdataconfig={"training": entry}).channels["training"]
    assert found[2:] == ("Pipe", None, "FullyReplicated", None, None, None)
