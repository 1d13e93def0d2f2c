"""Secrets in what `train` and `process` write: reports, their own lines, and what they explain."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from tests.train.running import Tree

KEY = (
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B/AQ+EFAASCBK\n"
    "c29tZSBtb3JlIG9mIHRoZSBrZXkK\n-----END KEY-----\n"
)
QUOTED = "pa'ss\\wo\"rd é/+%"
TELLS = """
import base64, json, os, sys, urllib.parse
key, quoted = os.environ["DEPLOY_KEY"], os.environ["DB_PASSWORD"]
print(key, file=sys.stderr)
for line in key.splitlines():
    print("   |", line, file=sys.stderr)
print(json.dumps({"key": key, "password": quoted}), file=sys.stderr)
print(urllib.parse.quote(quoted), urllib.parse.quote_plus(quoted), file=sys.stderr)
print(base64.b64encode(f"aws:{quoted}".encode()).decode(), file=sys.stderr)
raise ValueError({"password": quoted, "key": key})
"""
CUT = """
import os, sys
secret = os.environ["API_TOKEN"]
sys.stderr.write(secret + "x" * (65536 - len(secret) // 2))
sys.exit(3)
"""
HEAD_CUT = """
import os, sys
secret = os.environ["API_TOKEN"]
sys.stderr.write("Traceback (most recent call last):\\n  File \\"a.py\\", line 1, in <module>\\nValueError: ")
sys.stderr.write("-" * int(sys.argv[-1]) + secret + "+" * 200_000)
sys.exit(1)
"""


def told(tree: Tree) -> str:
    """Return all that the reports of a tree hold, JSON undone."""
    reports = [path for path in tree.layout.output.rglob("*") if path.is_file()]
    assert reports
    texts = [path.read_text() for path in reports]
    return "\n".join([*texts, *(_plain(json.loads(text)) for text in texts if text.startswith("{"))])


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(map(_plain, value.values()))
    return "\n".join(map(_plain, value)) if isinstance(value, list) else str(value)


def hidden(text: str) -> None:
    """Fail where a text holds a part of the secrets in any form."""
    encoded = base64.b64encode(f"aws:{QUOTED}".encode()).decode()[8:-8]
    for part in (*KEY.splitlines(), "MIIEvQI", QUOTED, "ss\\wo", "ss\\\\wo", encoded, "wo\\"):
        assert part not in text, part
    for quoted in (urllib.parse.quote(QUOTED), urllib.parse.quote_plus(QUOTED)):
        assert quoted not in text


def test_reports_hold_no_form_of_a_secret(tree: Tree) -> None:
    """Keys of several lines and quoted passwords are in no report, whichever way the program wrote them."""
    run = tree.code(train__py=TELLS).train(DEPLOY_KEY=KEY, DB_PASSWORD=QUOTED)
    assert run.code == 1
    hidden(told(tree))
    assert "ValueError" in tree.failure
    hidden(run.err[run.err.index("The job failed") :])


def test_processing_tells_none_either(tree: Tree) -> None:
    """`process` masks as `train` does, also what an argument repeats."""
    tree.layout.processing_code.mkdir(parents=True)
    (tree.layout.processing_code / "work.py").write_text(TELLS)
    run = tree.process("work.py", f"--url=http://{QUOTED}@host", DEPLOY_KEY=KEY, DB_PASSWORD=QUOTED)
    assert run.code == 1
    hidden(told(tree))
    hidden(run.err.partition("Traceback")[0].partition("-----BEGIN")[0])


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_explained_holds_none(tree: Tree, form: str) -> None:
    """A value is hidden under other names as well, in `--explain` and in the lines of the job's start."""
    tree.code(train__py="").config(
        hyperparameters={"password": json.dumps([QUOTED]), "address": f"http://{QUOTED}@x"}
    )
    variables = {"DEPLOY_KEY": KEY, "SAGEMAKER_LOG_FORMAT": form}
    explained = tree.train("--explain", **variables)
    assert explained.code == 0, explained.err
    run = tree.train(**variables)
    for text in (explained.out, run.err):
        assert "pa'ss" not in text
        assert "ss\\wo" not in text
        assert "***" in text


def test_secret_that_the_tail_begins_in(tree: Tree) -> None:
    """Where what is kept of a program's output begins inside a secret, its rest is hidden too."""
    token = "".join(f"{number:x}-token-" for number in range(40))
    assert tree.code(train__py=CUT).train(API_TOKEN=token).code == 3
    assert "token" not in told(tree)
    assert "***x" in told(tree)


@pytest.mark.parametrize("before", [16_200, 16_250, 16_300, 16_384])
def test_secret_that_the_head_ends_in(tree: Tree, before: int) -> None:
    """Where a traceback's beginning is kept and ends inside a secret, what it has of it is hidden."""
    token = "".join(f"{number:x}-token-" for number in range(40))
    tree.code(train__py=HEAD_CUT).config(hyperparameters={"before": str(before)})
    assert tree.train(API_TOKEN=token).code == 1
    assert "ValueError: ---" in told(tree)
    assert "token" not in told(tree)
