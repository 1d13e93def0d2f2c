"""`mlberth algorithms`: the tables that check jobs, in words."""

from __future__ import annotations

import sys

import pytest

from mlberth_train.__main__ import algorithms
from mlberth_train.algorithms.listing import describe, list_algorithms
from mlberth_train.algorithms.registry import ALGORITHMS, find_algorithm


def test_every_algorithm_has_a_line() -> None:
    """It says the name, and what the algorithm learns."""
    lines = list_algorithms().splitlines()
    assert [line.split()[0] for line in lines] == list(ALGORITHMS)
    assert all(find_algorithm(line.split()[0]).help in line for line in lines)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_hyperparameter_and_channel_is_described(name: str) -> None:
    """Names, values and defaults are those of the table; each has a word of help."""
    algorithm = find_algorithm(name)
    text = describe(algorithm)
    assert max(map(len, text.splitlines())) <= 100
    words = " ".join(text.split())
    for one in algorithm.hyperparameters:
        assert one.help
        assert f"{'/'.join((one.name, *one.aliases))}: {one.expected};" in words
    for rule in algorithm.channels:
        assert f"{rule.name} ({'required' if rule.required else 'optional'};" in words


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name it lists, with one it describes; another name is refused with those that there are."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mlberth algorithms", *arguments])
        code = algorithms()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert run() == (0, list_algorithms() + "\n", "")
    assert run("pca") == (0, describe(find_algorithm("pca")) + "\n", "")
    code, _, error = run("lda")
    assert (code, error.startswith("mlberth algorithms: found 'lda'; expected one of")) == (78, True)
    assert run("randomcutforest")[2].endswith("Did you mean random-cut-forest?\n")
    assert run("pca", "knn")[0] == 2
    assert run("--help")[1].startswith("usage: mlberth algorithms")
