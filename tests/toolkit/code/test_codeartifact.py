"""CodeArtifact as pip's index: asked for a token over real HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.toolkit.code.conftest import TOKEN
from tests.toolkit.installing import result, start

ARN = "arn:aws:codeartifact:eu-central-1:123456789012:repository/team/python"


@pytest.mark.usefixtures("private")
def test_codeartifact_is_pips_index(code: Path, python: str, index: str) -> None:
    """CA_REPOSITORY_ARN brings a token, and pip installs with it; nobody sees the token."""
    environ = {"AWS_ENDPOINT_URL_CODEARTIFACT": index, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    answer, said = result(start(code, python, CA_REPOSITORY_ARN=ARN, PIP_NO_INDEX="0", **environ))
    assert answer == {"stopped": None}, said
    assert "Successfully installed" in said
    assert TOKEN not in said


@pytest.mark.parametrize("arn", ["python", "arn:aws:s3:::bucket", f"{ARN}/more"])
def test_codeartifact_needs_an_arn(code: Path, python: str, arn: str) -> None:
    """What is no repository's ARN is named before anything is asked."""
    answer, _ = result(start(code, python, CA_REPOSITORY_ARN=arn))
    assert (answer["kind"], answer["exit_code"]) == ("ContractError", 78)
    assert "CA_REPOSITORY_ARN" in answer["error"]


def test_codeartifact_that_refuses_is_a_dependency_error(code: Path, python: str) -> None:
    """Without an answer there is a reason, and no traceback."""
    environ = {"AWS_ENDPOINT_URL_CODEARTIFACT": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    answer, said = result(start(code, python, CA_REPOSITORY_ARN=ARN, **environ, **keys))
    assert (answer["kind"], "CA_REPOSITORY_ARN" in answer["error"]) == ("DependencyError", True)
    assert "Traceback" not in said
