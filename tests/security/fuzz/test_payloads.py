"""Bodies made by chance: each is read, or refused as the client's fault, in little time and memory."""

from __future__ import annotations

import gzip
import pickle
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.security.fuzz.fuzzing import Fuzzer, mutated
from tests.security.fuzz.payloads import make_body, pickles
from werkzeug.test import Client

from mlberth_serve.app.application import Application
from mlberth_serve.app.content_encoding import decode_content
from mlberth_serve.codecs import READERS
from mlberth_serve.errors import RequestError
from mlberth_serve.media_types import parse_content_type
from mlberth_serve.settings import Settings

SLOWEST = 2.0
MAX_MEGABYTES = 1024
"""How much the process may grow: the largest body unpacks to half of it."""
LIMIT = 256 * 1024
HANDLER = "def model_fn(model_dir):\n    return None\n\n\ndef predict_fn(data, model):\n    return data\n"
OTHER_TYPES = ["application/x-pickle", "application/python-pickle", "application/octet-stream", "x/y", ""]


def refusal_of(content_type: str, body: bytes) -> str:
    """Read a body; return the status of its refusal, "read" or what was raised."""
    try:
        media_type = parse_content_type(content_type)
        READERS[media_type.name].decode(body, media_type)
    except RequestError as error:
        return str(error.status)
    except Exception as error:  # noqa: BLE001 - each is a finding
        return repr(error)[:300]
    return "read"


# Pillow warns of what it skips; a warning is no error where bodies are served either.
@pytest.mark.filterwarnings("ignore")
def test_bodies_made_by_chance_are_read_or_refused() -> None:
    """Whatever the type and the bytes, there is an array, or a status from 400 to 499, at once."""
    fuzzer = Fuzzer("payloads", short=3000, long=200_000)
    figures: Counter[str] = Counter({"inputs": 0, "faults": 0, "slow": 0})
    before = megabytes()
    for number in fuzzer.numbers():
        content_type, body = make_body(fuzzer.chance(number))
        began = time.process_time()
        ended = refusal_of(content_type, body)
        took = time.process_time() - began
        figures["inputs"] += 1
        if ended == "read" or (ended.isdigit() and ended.startswith("4")):
            figures[ended] += 1
        else:
            figures["faults"] += 1
            fuzzer.fail(number, f"{content_type}: {ended}", body)
        if took > SLOWEST:
            figures["slow"] += 1
            fuzzer.fail(number, f"{content_type}: {took:.1f} s", body)
    fuzzer.report(**figures, grown_mb=megabytes() - before)
    assert fuzzer.failures == []
    assert megabytes() - before < MAX_MEGABYTES
    assert figures["read"] > figures["inputs"] / 20


def test_gzip_made_by_chance_is_undone_or_refused() -> None:
    """A packed body comes out whole and below the limit, or is refused."""
    fuzzer = Fuzzer("gzip", short=1000, long=100_000)
    figures: Counter[str] = Counter({"inputs": 0, "faults": 0})
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        parts = [
            bytes(chance.choice([0, 1, 1000, LIMIT, LIMIT + 1])) for _ in range(chance.choice([1, 1, 2]))
        ]
        body = b"".join(gzip.compress(part, 1) for part in parts)
        if chance.random() < 0.8:
            body = mutated(body, chance, [b"\x1f\x8b\x08\0", b"\0" * 8, b"\xff\xff", body])
        try:
            ended = "read" if len(decode_content(body, "gzip", LIMIT)) <= LIMIT else "too much"
        except RequestError as error:
            ended = str(error.status)
        except Exception as error:  # noqa: BLE001 - each is a finding
            ended = repr(error)[:300]
        figures["inputs"] += 1
        if ended in {"read", "400", "413"}:
            figures[ended] += 1
        else:
            figures["faults"] += 1
            fuzzer.fail(number, ended, body)
    fuzzer.report(**figures)
    assert fuzzer.failures == []


def test_no_body_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle, bare or in a container, is never run, whatever its type says; an error is the client's."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # the handler's folder is put there
    mark = tmp_path / "unpickled"
    environ = {"SAGEMAKER_BASE_DIR": str(tmp_path / "ml"), "SAGEMAKER_PROGRAM": "unpickles_nothing.py"}
    (tmp_path / "ml/model/code").mkdir(parents=True)
    # A name of its own: it stays imported when this test is over.
    (tmp_path / "ml/model/code/unpickles_nothing.py").write_text(HANDLER)
    application = Application(Settings.from_environ(environ))
    application.load()
    client = Client(application)
    for content_type in (*READERS, *OTHER_TYPES):
        for name, body in pickles(str(mark)).items():
            for coding, data in {"identity": body, "gzip": gzip.compress(body)}.items():
                headers = {"Content-Encoding": coding}
                answer = client.post("/invocations", data=data, content_type=content_type, headers=headers)
                assert 400 <= answer.status_code < 500, (content_type, name)
                assert not mark.exists(), (content_type, name)


def test_the_pickles_would_do_harm(tmp_path: Path) -> None:
    """What the test above sends does write its mark where it is unpickled."""
    mark = tmp_path / "unpickled"
    pickle.loads(pickles(str(mark))["pickle"])
    assert mark.exists()


def megabytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
