"""Every way of passing hyperparameters, read back by the parser it is meant for."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from mlberth.contract.arguments import PROTOCOLS

VALUES: dict[str, Any] = {
    "z": 1,
    "rate": 0.5,
    "name": "a b",
    "on": True,
    "off": False,
    "nothing": None,
    "layers": [1, "x y"],
    "opts": {"b": 1, "a": "c"},
}


@pytest.mark.parametrize(
    ("protocol", "arguments"),
    [
        (
            "argparse",
            "--layers|[1, 'x y']|--name|a b|--nothing||--off|False|--on|True|--opts|a=c,b=1|--rate|0.5|-z|1",
        ),
        (
            "json",
            "--z|1|--rate|0.5|--name|a b|--on|true|--off|false|--nothing|null"  # noqa: ISC004
            '|--layers|[1, "x y"]|--opts|{"b": 1, "a": "c"}',
        ),
        (
            "flags",
            '--z|1|--rate|0.5|--name|a b|--on|--no-off|--layers|[1, "x y"]|--opts|{"b": 1, "a": "c"}',
        ),
        (
            "repeat",
            '--z|1|--rate|0.5|--name|a b|--on|--no-off|--layers|1|--layers|x y|--opts|{"b": 1, "a": "c"}',
        ),
        ("hydra", "z=1|rate=0.5|name=a b|on=true|off=false|nothing=null|layers=[1,x y]|opts={b:1,a:c}"),
        ("none", ""),
    ],
)
def test_mapping(protocol: str, arguments: str) -> None:
    """Each protocol has one exact mapping."""
    assert "|".join(PROTOCOLS[protocol](VALUES)) == arguments


def test_flags_are_read_by_argparse() -> None:
    """A store_true flag and a boolean option work, which the other toolkits cannot pass."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--shuffle", action=argparse.BooleanOptionalAction, default=True)
    read = parser.parse_args(PROTOCOLS["flags"]({"verbose": True, "shuffle": False, "seed": None}))
    assert (read.verbose, read.shuffle) == (True, False)


def test_repeated_flags_are_read_by_argparse() -> None:
    """A list arrives item by item."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layer", action="append", type=int)
    assert parser.parse_args(PROTOCOLS["repeat"]({"layer": [64, 32]})).layer == [64, 32]


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a b",
        "",
        " ",
        "true",
        "NULL",
        "1",
        "it's",
        "a,b",
        "k=v",
        "{x}",
        "[1]",
        "a\\",
        "\\'",
        "$(id)",
        "é",
        "${x}"[1:],
    ],
)
def test_hydra_reads_text_as_text(value: str) -> None:
    """Text that looks like something else in Hydra's grammar comes back as the same text."""
    parser = pytest.importorskip(
        "hydra.core.override_parser.overrides_parser", reason="hydra-core is not installed"
    )
    (argument,) = PROTOCOLS["hydra"]({"key": value})
    assert parser.OverridesParser.create().parse_override(argument).value() == value


@pytest.mark.parametrize("value", [[1, "a,b", None], {"a": {"b": [True, "x"]}}, 1.5, False, None, [[], {}]])
def test_hydra_reads_structures(value: Any) -> None:
    """Lists and maps keep their shape and types."""
    parser = pytest.importorskip(
        "hydra.core.override_parser.overrides_parser", reason="hydra-core is not installed"
    )
    (argument,) = PROTOCOLS["hydra"]({"key": value})
    assert parser.OverridesParser.create().parse_override(argument).value() == value
