"""The bad and odd requests, and how each has to be answered.

`answers.tsv` has a line for each request: its name, the answers behind nginx, and those of the worker alone
(`=` for the same, alternatives parted by ` / `). What is answered is written so:

    ok      200
    no      the request is refused: 400, 413, 414, 417, 431, 501 or 505
    canary  200 to the request that is sent behind it on the same connection: both see where it has ended
    404 …   any other status, as it is
    -       the connection is closed without an answer
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from tests.security.fuzz import corpus_framing, corpus_heads
from tests.security.fuzz.wire import Answer

REQUESTS = corpus_framing.REQUESTS | corpus_heads.REQUESTS
CANARY = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n\r\ncanary"
REFUSED = {400, 413, 414, 417, 431, 501, 505}


class Expected(NamedTuple):
    """The answers that are right, one or the other."""

    nginx: list[str]
    alone: list[str]


def read_expected() -> dict[str, Expected]:
    """Return what answers.tsv says, by the request's name."""
    with Path(__file__).with_name("answers.tsv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {
        name: Expected(
            nginx.split(" / "),
            (nginx if alone == "=" else alone).split(" / "),
        )
        for name, nginx, alone in rows
    }


def in_words(answers: list[Answer]) -> str:
    """Return answers as answers.tsv writes them."""
    words = [_word(answer) for answer in answers]
    if answers and answers[-1].body == b"canary":
        words[-1] = "canary"
    return " ".join(words) or "-"


def _word(answer: Answer) -> str:
    if answer.status in REFUSED:
        return "no"
    return "ok" if answer.status == 200 else str(answer.status)
