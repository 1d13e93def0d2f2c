"""Requests that break the rules, byte for byte, behind nginx and at gunicorn alone."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from tests.serve.raw import exchange
from tests.serve.running import PROJECTS, Answer, Server, children_of, require_nginx

MUTATIONS = 20_000 if os.environ.get("MLBERTH_LONG") == "1" else 300
MB = 1024 * 1024


@pytest.fixture(scope="module", params=["true", "false"], ids=["nginx", "gunicorn-alone"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one worker, whose handler doubles numbers, for all tests of this file."""
    if request.param == "true":
        require_nginx()
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(PROJECTS / "predict_only", folder / "ml/model")
    variables = {
        "SAGEMAKER_USE_NGINX": request.param,
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1",
    }
    with Server(folder, "mlberth_serve.wsgi:application", **variables) as server:
        yield server.wait_ready()


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """Return the server, which has to be as well after a test as before: same worker, no traceback."""
    before = workers(running)
    yield running
    assert running.invoke("[21]", **{"Content-Type": "application/json"}).body == b"[42]"
    assert workers(running) == before
    assert "Traceback" not in running.text


def workers(server: Server) -> list[int]:
    """Return the workers' process ids."""
    return children_of(server.children()["gunicorn"])


def check(answer: Answer) -> None:
    """Every error is our JSON, with the request's id twice, and tells nothing of the inside."""
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/json"
        assert set(answer.error) == {"code", "message", "request_id"}
        assert answer.headers["X-Request-Id"] == answer.error["request_id"]
    for secret in (b"Traceback", b'File "', b".py", b"/tmp", b"/home", b"/usr", b"root:"):
        assert secret not in answer.body


def head(line: str, *headers: str) -> bytes:
    """Return the head of a request that is the last one on its connection."""
    return "\r\n".join([line, "Host: x", "Connection: close", *headers, "", ""]).encode("latin-1")


def get(path: str, *headers: str) -> bytes:
    """Return a GET request."""
    return head(f"GET {path} HTTP/1.1", *headers)


def post(body: bytes, *headers: str) -> bytes:
    """Return a prediction request with its length."""
    return head("POST /invocations HTTP/1.1", *headers, f"Content-Length: {len(body)}") + body


def framed(*headers: str, body: bytes = b"[1]") -> bytes:
    """Return a prediction request whose headers alone say how long its body is."""
    return head("POST /invocations HTTP/1.1", *headers) + body


def chunked(body: bytes) -> bytes:
    """Return a prediction request whose body is in chunks, written out."""
    return framed("Transfer-Encoding: chunked", body=body)


def npy(array: object) -> bytes:
    """Return an array as an npy file."""
    file = io.BytesIO()
    np.save(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


OK, BAD = {200}, {400}
JSON, CSV, NPY = (f"Content-Type: {name}" for name in ("application/json", "text/csv", "application/x-npy"))
ONE = b"3\r\n[1]\r\n0\r\n\r\n"
HUGE = npy([1.0]).replace(b"(1,), }        ", b"(99999999,), }")
MULTIPART = "Content-Type: multipart/form-data; boundary="

# What is sent, and the statuses that are right behind nginx, and from gunicorn alone.
REQUESTS: dict[str, tuple[bytes, set[int], set[int]]] = {
    "GET /invocations": (get("/invocations"), {405}, {405}),
    "POST /ping": (head("POST /ping HTTP/1.1", "Content-Length: 0"), {405}, {405}),
    "TRACE": (head("TRACE /ping HTTP/1.1"), {405}, {405}),
    "CONNECT": (head("CONNECT x:80 HTTP/1.1"), BAD, {404}),
    "unknown method": (head("FOO /invocations HTTP/1.1"), {405}, {405}),
    "method in lower case": (head("get /ping HTTP/1.1"), BAD, BAD),
    "two slashes": (get("//ping"), {404}, {404}),
    "two slashes, POST": (post(b"[1]").replace(b"/inv", b"//inv"), {404}, {404}),
    "dots": (get("/ping/../invocations"), {405}, {404}),
    "dots out of the root": (get("/../../etc/passwd"), BAD, {404}),
    "dots in per cent": (get("/%2e%2e/etc/passwd"), BAD, {404}),
    "NUL in the path": (get("/ping%00"), BAD, {404}),
    "path that is not ASCII": (get("/p\xefng"), {404}, BAD),
    "path without a slash": (get("ping"), BAD, BAD),
    "type unknown": (post(b"[1]", "Content-Type: application/pdf"), {415}, {415}),
    "charset unknown": (post(b"1", CSV + "; charset=nope"), {415}, {415}),
    "type of 7 kB": (post(b"1", CSV + "; a=" + "b" * 7000), BAD, BAD),
    "type of 10 kB": (post(b"1", CSV + "; a=" + "b" * 10_000), {431}, {431}),
    "accept": (post(b"[1]", "Accept: application/pdf"), {406}, {406}),
    "empty body": (post(b""), BAD, BAD),
    "no length": (framed(body=b""), BAD, BAD),
    "JSON truncated": (post(b"[1,", JSON), BAD, BAD),
    "JSON with a tail": (post(b"[1] x", JSON), BAD, BAD),
    "JSON NaN": (post(b"[NaN]", JSON), BAD, BAD),
    "JSON 100 000 deep": (post(b"[" * 100_000, JSON), BAD, BAD),
    "JSON lone surrogate": (post(b'["\\ud800"]', JSON), BAD, BAD),
    "JSON integer of 1 MB": (post(b"[" + b"9" * 1_000_000 + b"]", JSON), BAD, BAD),
    "JSON, last of two keys": (post(b'{"inputs": [1], "inputs": [2]}', JSON), OK, OK),
    "CSV with NUL": (post(b"1,\0", CSV), BAD, BAD),
    "CSV ragged": (post(b"1,2\n3", CSV), BAD, BAD),
    "CSV with an open quote": (post(b'1,"2', CSV), BAD, BAD),
    "CSV with a byte order mark": (post(b"\xef\xbb\xbf1,2", CSV), OK, OK),
    "npy of objects": (post(npy(np.array([{}], dtype=object)), NPY), BAD, BAD),
    "npy of a huge shape": (post(HUGE, NPY), BAD, BAD),
    "npy that is a pickle": (post(b"\x80\x04K\x01.", NPY), BAD, BAD),
    "chunks over the limit": (chunked(b"100001\r\n" + b" " * (MB + 1) + b"\r\n0\r\n\r\n"), {413}, {413}),
    **{
        f"length {length!r}": (framed(f"Content-Length: {length}"), BAD, BAD)
        for length in ("-1", "+5", "5,5", "1e3", "0x3", "3 3", "", "\x0b3", "\xb3")
    },
    "length of 30 digits": (framed("Content-Length: " + "9" * 30), BAD, {413}),
    "two lengths": (framed("Content-Length: 3", "Content-Length: 4"), BAD, BAD),
    "one length twice": (framed("Content-Length: 3", "Content-Length: 3"), BAD, BAD),
    "length and coding": (framed("Content-Length: 3", "Transfer-Encoding: chunked", body=ONE), BAD, BAD),
    "coding and length": (framed("Transfer-Encoding: chunked", "Content-Length: 3", body=ONE), BAD, BAD),
    **{
        f"coding {coding!r}": (framed(f"Transfer-Encoding: {coding}", body=ONE), {501}, {400, 501})
        for coding in (
            "identity",
            "gzip",
            "gzip, chunked",
            "identity, chunked",
            "chunked, chunked",
            "chunked, identity",
            "xchunked",
            "\x0bchunked",
            "chunked;a=b",
        )
    },
    "two codings": (framed("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=ONE), BAD, BAD),
    "coding in HTTP/1.0": (head("POST /invocations HTTP/1.0", "Transfer-Encoding: chunked") + ONE, BAD, BAD),
    **{
        f"chunk size {size!r}": (chunked(size + b"\r\n[1]\r\n0\r\n\r\n"), BAD, BAD)
        for size in (b"-1", b"0x3", b" 3", b"3_0", b"", b"g")
    },
    "chunk without its end": (chunked(b"3\r\n[1]0\r\n\r\n"), BAD, BAD),
    "chunk with another end": (chunked(b"3\r\n[1]XX0\r\n\r\n"), BAD, BAD),
    "chunk with a bare LF": (chunked(b"3\r\n[1]\n0\r\n\r\n"), {200, 400}, BAD),
    "chunk extension": (chunked(b"3;a=b\r\n[1]\r\n0\r\n\r\n"), OK, OK),
    "chunk extension with an open quote": (chunked(b'3;a="b\r\n[1]\r\n0\r\n\r\n'), {200, 400}, BAD),
    "faulty trailer": (chunked(b"3\r\n[1]\r\n0\r\nbad trailer\r\n\r\n"), {200, 400}, BAD),
    "100 000 chunks": (chunked(b"2\r\n[1\r\n" + b"1\r\n \r\n" * 100_000 + b"1\r\n]\r\n0\r\n\r\n"), OK, OK),
    # nginx takes a bare LF for a line's end, and passes on what it has understood, written anew.
    "one bare LF": (post(b"[1]", "X: a\nY: b"), {200, 400}, BAD),
    "obsolete folding": (post(b"[1]", "X: a\r\n b"), BAD, BAD),
    "space before the colon": (post(b"[1]", "X : a"), BAD, BAD),
    "control byte in a name": (post(b"[1]", "X\x01: a"), BAD, BAD),
    "control byte in a value": (post(b"[1]", "X: \x01"), BAD, BAD),
    "NUL in a value": (post(b"[1]", "X: a\0b"), BAD, BAD),
    "CR in a value": (post(b"[1]", "X: a\rb"), BAD, BAD),
    "header without a name": (post(b"[1]", ": a"), BAD, BAD),
    "101 headers": (post(b"[1]", *(f"X-{number}: a" for number in range(101))), {431}, {431}),
    "long header": (post(b"[1]", "X: " + "a" * 9000), {431}, {431}),
    "long path": (get("/" + "a" * 9000), {414}, {414}),
    "long method": (head("A" * 9000 + " / HTTP/1.1"), {414}, {414}),
    "name with an underscore": (post(b"[1]", "Content_Type: application/pdf"), OK, OK),
    "two hosts": (post(b"[1]", "Host: y"), BAD, BAD),
    "no host": (post(b"[1]").replace(b"Host: x\r\n", b""), BAD, BAD),
    "no host in HTTP/1.0": (
        post(b"[1]").replace(b"Host: x\r\n", b"").replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK,
        OK,
    ),
    **{
        f"host {host!r}": (post(b"[1]").replace(b"Host: x", b"Host: " + host), {200, 400}, BAD)
        for host in (b"", b"a b", b"a/b", b"a,b", b"a@b", b"a:b", b"[a", b"a\x80")
    },
    "headers of 40 kB": (post(b"[1]", *(f"X-{number}: {'a' * 8000}" for number in range(5))), {431}, {431}),
    "two types": (post(b"[1]", JSON, CSV), BAD, BAD),
    "trace that is none": (post(b"[1]", "traceparent: 00-" + "0" * 32 + "-\xff"), OK, OK),
    "baggage of 64 kB": (post(b"[1]", "baggage: " + "a=b," * 16_000), {431}, {431}),
    "gzip bomb": (post(gzip.compress(bytes(100 * MB)), "Content-Encoding: gzip"), {413}, {413}),
    "gzip that is none": (post(b"[1]", "Content-Encoding: gzip"), BAD, BAD),
    "unknown compression": (post(b"[1]", "Content-Encoding: br"), {415}, {415}),
    "many parts": (post(b"--a\r\n\r\nx\r\n" * 50_000, MULTIPART + "a"), {415}, {415}),
    "long boundary": (post(b"-" * 100_000, MULTIPART + "-" * 7000), BAD, BAD),
    "expectation unknown": (framed("Expect: x", "Content-Length: 3"), OK, {417}),
    "upgrade to HTTP/2": (post(b"[1]", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), OK, OK),
    "HTTP/0.9 by name": (head("GET /ping HTTP/0.9"), BAD, BAD),
    "HTTP/1.2": (head("POST /invocations HTTP/1.2", "Content-Length: 3") + b"[1]", OK, OK),
    "HTTP/2.0": (head("GET /ping HTTP/2.0"), {505}, BAD),
    "HTTP/3.0": (head("GET /ping HTTP/3.0"), {505}, BAD),
    "no HTTP": (head("GET /ping XTTP/1.1"), BAD, BAD),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD, BAD),
    "proxy line": (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + get("/ping"), BAD, BAD),
    "tabs for spaces": (head("GET\t/ping\tHTTP/1.1"), BAD, BAD),
}

# These have no end, or none that both layers see: an error, or no answer at all, is right.
UNFINISHED = {
    "chunk size of 17 digits": chunked(b"fffffffffffffffff\r\n[1]"),
    "chunk size of 2^63": chunked(b"8000000000000000\r\n[1]"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(508),
    "NULs": bytes(100),
    "empty lines": b"\r\n" * 100,
    "HTTP/0.9": b"GET /ping\r\n\r\n",
    "HTTP/0.9, unknown path": b"GET /unknown\r\n",
    "HTTP/0.9, faulty path": b"GET /%00\r\n",
    "HTTP/0.9, inner path": b"GET /-/late\r\n",
    "HTTP/0.9, POST": b"POST /invocations\r\n",
    "half a body": post(b"[1]")[:-1],
    "half a head": post(b"[1]")[:40],
}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_has_its_status(server: Server, name: str) -> None:
    """Each request, however wrong, gets one answer, and the one that is right."""
    data, behind_nginx, alone = REQUESTS[name]
    (answer,) = exchange(server.port, data)
    assert answer.status in (behind_nginx if "nginx" in server.children() else alone)
    check(answer)


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
def test_unfinished_request_is_an_error_or_nothing(server: Server, data: bytes) -> None:
    """What is no whole request is never run, and never answered by something that is no HTTP."""
    for answer in exchange(server.port, data, patience=0.2):
        assert answer.status in {400, 408}
        check(answer)


def test_length_over_the_limit_is_refused_unread(server: Server) -> None:
    """The answer is there before any of the body is sent."""
    (answer,) = exchange(server.port, framed(f"Content-Length: {MB + 1}", body=b""), patience=1)
    assert answer.status == 413


def test_client_that_asks_first_is_told_to_go_on(server: Server) -> None:
    """`Expect: 100-continue` is answered by 100, and then by the prediction."""
    answers = exchange(server.port, framed("Expect: 100-continue", "Content-Length: 3"))
    assert [(answer.status, answer.body) for answer in answers] == [(100, b""), (200, b"[2]")]


def test_pipelined_answers_keep_their_order(server: Server) -> None:
    """A hundred requests in one piece get a hundred answers, each its own."""
    requests = [post(b"[%d]" % number) for number in range(100)]
    kept = [request.replace(b"Connection: close\r\n", b"") for request in requests[:-1]]
    answers = exchange(server.port, b"".join(kept) + requests[-1])
    assert [answer.body for answer in answers] == [b"[%d]" % (2 * number) for number in range(100)]


def test_malformed_request_ends_its_connection(server: Server) -> None:
    """Those before it are answered, it gets 400, and nothing behind it is taken for a request."""
    first = post(b"[1]").replace(b"Connection: close\r\n", b"")
    answers = exchange(server.port, first + framed("Content-Length: x") + post(b"[3]"))
    assert [answer.status for answer in answers] == [200, 400]
    assert answers[0].body == b"[2]"


def test_request_may_arrive_in_two_pieces(server: Server) -> None:
    """Wherever the network splits a request, it is the same request."""
    whole = post(b"[21]")
    for split in range(1, len(whole)):
        (answer,) = exchange(server.port, whole[:split], whole[split:])
        assert (answer.status, answer.body) == (200, b"[42]")


def test_random_faults_end_in_answers(server: Server) -> None:
    """Flipped bits, lost and repeated pieces, and plain noise get HTTP back, or a closed connection."""
    chance = random.Random(27)
    whole = post(b"[1]", JSON, "Accept: application/json")
    for _ in range(MUTATIONS):
        data = mutate(whole, chance)
        for answer in exchange(server.port, data, patience=0.1):
            assert answer.status < 500 or answer.status in {501, 505}, data
            check(answer)


def mutate(whole: bytes, chance: random.Random) -> bytes:
    """Return a request with one fault."""
    data = bytearray(whole)
    start, end = sorted(chance.sample(range(len(data)), 2))
    fault = chance.choice(["flip", "flip", "flip", "lose", "repeat", "noise"])
    if fault == "flip":
        data[start] ^= 1 << chance.randrange(8)
    elif fault == "lose":
        del data[start:end]
    elif fault == "repeat":
        data[start:start] = data[start:end]
    else:
        data[start:end] = chance.randbytes(end - start)
    return bytes(data)
