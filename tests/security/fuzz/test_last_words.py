"""What a program that fails may say last, made by chance: its job ends in a report all the same."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.security.fuzz.fuzzing import Fuzzer, mutated

from mlberth.process.supervise import Outcome
from mlberth_train.report.cause import LARGEST, failure_text, find_cause
from mlberth_train.report.context import ReportContext
from mlberth_train.report.details import failure_details
from mlberth_train.report.exhaustion import Exhaustion

SLOWEST = 2.0
SECRET = "canary-word"
_PLACE = ReportContext("algo-1", Path("/opt/ml/code"), frozenset({SECRET}), 0, 2)
_PLAIN = """\
Traceback (most recent call last):
  File "/opt/ml/code/train.py", line 7, in f
    return 1 / x
           ~~^~~
ZeroDivisionError: division by canary-word
"""
_GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/opt/ml/code/a.py", line 1, in <module>
  | ExceptionGroup: outer (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: first
    +------------------------------------
"""
_CRASH = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/opt/ml/code/train.py", line 3 in f
"""
_SYNTAX = """\
  File "train.py", line 1
    x = (1,
        ^
SyntaxError: '(' was never closed
"""
_PROGRESS = "10%|#   |\r100%|####|\nno data: canary-word\n"
_SAID = [text.encode() for text in (_PLAIN, _GROUP, _CRASH, _SYNTAX, _PROGRESS, "")]
_WORDS = [
    *_SAID, b"9" * 5000, "\uff11".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"\0", b"\x1b[", b"\x1b[31m", b"\r",
    b"\n", b'  File "', b'", line ', b" in ", b"  | " * 500, b'", line 1' * 500, b"eyJ-" * 4000,
    b"://a:" * 900, b" " * 9000, b": ", b"Traceback (most recent call last):\n",
    b"Thread 0x1 (most recent call first):\n", SECRET.encode(),
]  # fmt: skip


def make_outcome(chance: random.Random) -> Outcome:
    """Return how a program may have ended."""
    said = b"".join(chance.choice(_SAID) for _ in range(chance.choice([1, 1, 2, 3])))
    stopped_by = chance.choice([None, None, None, signal.SIGTERM])
    return Outcome(
        chance.choice([1, 1, 1, 2, 120, 139, 143, 255, -6, -9, -11, -15]),
        stopped_by,
        overran=stopped_by is not None and chance.random() < 0.3,
        stderr=mutated(said, chance, _WORDS),
        seconds=1.0,
    )


def problems_of(outcome: Outcome) -> list[str]:
    """Return what is wrong with the reports of an end."""
    cause = find_cause(outcome, _PLACE, 110.0)
    text = failure_text(cause, _PLACE)
    details = failure_details(cause, outcome, _PLACE, Exhaustion(0, 0, []), ["python", "train.py"])
    json.loads(details)
    found = {
        "too long": len(text.encode()) > LARGEST,
        "without its end": not text.endswith(" on algo-1 (rank 0 of 2).\n"),
        "a secret": SECRET in text + details,
        "a control": not text.replace("\n", "").replace("\t", "").isprintable(),
        "the code of a success": not 0 < cause.exit_code < 256,
    }
    return [problem for problem, is_there in found.items() if is_there]


def test_last_words_made_by_chance_end_in_a_report() -> None:
    """Whatever a program said, there are 1024 bytes of text at most, and details in JSON, without secrets."""
    fuzzer = Fuzzer("last-words", short=1000, long=100_000)
    figures: Counter[str] = Counter({"inputs": 0, "faults": 0, "slow": 0})
    for number in fuzzer.numbers():
        outcome = make_outcome(fuzzer.chance(number))
        began = time.process_time()
        try:
            problems = problems_of(outcome)
        except Exception as error:  # noqa: BLE001 - each is a finding
            problems = [repr(error)[:300]]
        if time.process_time() - began > SLOWEST:
            figures["slow"] += 1
            problems.append("slow")
        figures["inputs"] += 1
        if problems:
            figures["faults"] += 1
            fuzzer.fail(number, ", ".join(problems), outcome.stderr)
    fuzzer.report(**figures)
    assert fuzzer.failures == []
