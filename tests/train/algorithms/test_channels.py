"""A job's channels against a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.contract.channels import Channel
from mlberth_train.algorithms.channels import (
    CSV,
    LIBSVM,
    ChannelRule,
    ContentType,
    channel_faults,
    parse_content_type,
)

TRAIN = ChannelRule("train", required=True, forms=(LIBSVM, CSV), modes=("File",))
RULES = (TRAIN, ChannelRule("validation"))


def channel(name: str, mode: str = "File", content_type: str | None = None) -> Channel:
    """Return a channel of a job."""
    return Channel(name, Path("/data"), mode, content_type)


@pytest.mark.parametrize(
    ("text", "form", "size"),
    [
        ("text/csv", "csv", None),
        ("Text/CSV; label_size=2; charset=utf-8", "csv", 2),
        ("text/x-libsvm", "libsvm", None),
        ("parquet", "parquet", None),
        ("application/x-recordio-protobuf", "recordio-protobuf", None),
    ],
)
def test_a_content_type_names_a_form(text: str, form: str, size: int | None) -> None:
    """Every name of the peer's is known, parameters are read, and case does not count."""
    assert parse_content_type(text) == ContentType(form, size)


def test_a_channel_without_a_content_type_has_the_first_form() -> None:
    """The rule's first form and label size stand for what the channel does not say."""
    assert TRAIN.content_type(channel("train")) == ContentType(LIBSVM, 1)
    assert TRAIN.content_type(channel("train", content_type="csv")) == ContentType(CSV, 1)


def test_all_faults_come_at_once() -> None:
    """A missing channel and one that there is not are one list; `code` belongs to no algorithm."""
    found = {"test": channel("test"), "code": channel("code", content_type="text/python")}
    assert [str(fault) for fault in channel_faults(RULES, found)] == [
        "the channel train: found nothing; expected data, which is required.",
        "the channel test: found data; expected one of those that there are (train, validation).",
    ]


@pytest.mark.parametrize(
    ("found", "where"),
    [
        (channel("train", "Pipe"), "the channel train, TrainingInputMode"),
        (channel("train", content_type="text/plain"), "the channel train, ContentType"),
        (channel("train", content_type="parquet"), "the channel train, ContentType"),
        (channel("train", content_type="text/csv;label_size=2"), "the channel train, ContentType"),
        (channel("train", content_type="text/csv;label_size=one"), "the channel train, ContentType"),
    ],
)
def test_a_channel_that_does_not_fit(found: Channel, where: str) -> None:
    """Mode, form and label size are those of the rule."""
    assert [fault.where for fault in channel_faults(RULES, {"train": found})] == [where]


def test_parquet_is_not_read_from_a_pipe() -> None:
    """Its index stands at its end."""
    found = {"train": channel("train"), "validation": channel("validation", "Pipe", "parquet")}
    (fault,) = channel_faults(RULES, found)
    assert fault.action == "Use File or FastFile mode."
