"""What every algorithm says of data and jobs that it cannot use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.train.algorithms.jobs import RECORDIO, Jobs, labelled
from tests.train.running import Tree

from mlberth.channels import write_example
from mlberth.contract.environment import Environment
from mlberth.errors import ContractError
from mlberth_train.algorithms.registry import ALGORITHMS, find_algorithm

ROWS = np.arange(12.0).reshape(4, 3)
KMEANS: dict[str, Any] = {"k": 2, "feature_dim": 3}


@pytest.mark.parametrize("content_type", ["text/csv;label_size=0", RECORDIO])
def test_an_empty_channel(jobs: Jobs, content_type: str) -> None:
    """A channel without rows is named."""
    jobs.channel("train", b"", content_type)
    with pytest.raises(ContractError, match="train"):
        jobs.train("kmeans", **KMEANS)


def test_a_channel_that_is_not_there_and_one_too_many(jobs: Jobs) -> None:
    """Both are faults of the job, told at once with a hyperparameter's."""
    jobs.channel("training", ROWS)
    with pytest.raises(ContractError) as caught:
        jobs.train("kmeans", k="two", feature_dim=3)
    assert [fault.where for fault in caught.value.faults] == [
        "the hyperparameter k",
        "the channel train",
        "the channel training",
    ]


@pytest.mark.parametrize("algorithm", ["kmeans", "pca", "random-cut-forest", "linear-learner", "knn"])
@pytest.mark.parametrize(
    ("value", "message"), [("nan", "found nan"), ("inf", "found inf"), ("", "found nan"), ("a", "'a'")]
)
def test_cells_that_are_no_numbers(jobs: Jobs, algorithm: str, value: str, message: str) -> None:
    """A cell that is missing, not finite or text is named by its place."""
    given: dict[str, Any] = {
        "kmeans": KMEANS,
        "pca": {"num_components": 1, "feature_dim": 3},
        "random-cut-forest": {"feature_dim": 3, "num_trees": 50},
        "linear-learner": {"predictor_type": "regressor"},
        "knn": {"feature_dim": 3, "k": 1, "sample_size": 3, "predictor_type": "regressor"},
    }[algorithm]
    jobs.channel("train", f"1,2,3,4\n5,6,7,8\n9,{value},3,4\n".encode(), "text/csv;label_size=1")
    with pytest.raises(ContractError, match=message) as caught:
        jobs.train(algorithm, **given)
    place = caught.value.faults[0].where
    assert "row 3, feature 1" in place or "line 3, column" in place


def test_a_label_that_is_missing(jobs: Jobs) -> None:
    """Its row is named."""
    jobs.channel("train", b"1,2\n,3\n")
    with pytest.raises(ContractError, match="train, row 2: found a label that is no finite number"):
        jobs.train("linear-learner", predictor_type="regressor")


def test_another_width(jobs: Jobs) -> None:
    """Rows of another width than feature_dim, and what may be the reason."""
    jobs.channel("train", ROWS, "text/csv;label_size=1")
    message = "found rows of 2 features; expected the feature_dim of 3. feature_dim counts no labels"
    with pytest.raises(ContractError, match=message):
        jobs.train("kmeans", **KMEANS)


def test_the_first_column_is_the_label_if_there_is_one_more(jobs: Jobs) -> None:
    """The platform expects a label in csv that does not say otherwise; feature_dim tells."""
    jobs.channel("train", labelled(ROWS, [100.0, 200, 300, 400]), "text/csv")
    assert jobs.train("kmeans", **KMEANS).arrays["centers"].max() < 12


def test_damaged_records(jobs: Jobs) -> None:
    """A record that breaks off is named by file and byte."""
    record = write_example([1.0, 2, 3])
    frame = b"\x0a\x23\xd7\xce" + len(record).to_bytes(4, "little") + record
    whole = frame + bytes(-len(frame) % 4)
    jobs.channel("train", whole + whole[:-5], RECORDIO)
    with pytest.raises(ContractError, match=f"part-0, byte {len(whole)}"):
        jobs.train("kmeans", **KMEANS)


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "xgboost"])
def test_several_hosts(tree: Tree, algorithm: str) -> None:
    """None of these algorithms is divided among hosts: `train` says so, with all else that is wrong."""
    tree.config(
        resourceconfig={"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]},
        hyperparameters={"feature_dim": "three"},
    )
    environment = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(tree.base)})
    with pytest.raises(ContractError) as caught:
        find_algorithm(algorithm).read(environment, {})
    faults = {fault.where: str(fault) for fault in caught.value.faults}
    assert "the hyperparameter feature_dim" in faults
    told = faults["resourceconfig.json, hosts"]
    assert f"found 2 hosts (algo-1, algo-2); expected one host, on which {algorithm} trains" in told
    assert "Ask for one instance" in told
