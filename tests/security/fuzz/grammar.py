"""Requests made by chance: mostly as RFC 9112 writes them, with the faults that part two readers.

Of each list of alternatives the first is the usual one; how often another is taken differs from stream
to stream, so that some streams are sound to their end and others are wrong everywhere.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from tests.security.fuzz.fuzzing import mutated

WORDS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\n\n", b"\0", b" ", b"\t", b"\x0b", b":", b";", b",", b"0", b"3",
    b"-1", b"+", b"0x3", b"\xff", b"\x80", b"0\r\n\r\n", b"3\r\nabc\r\n", b";a=b", b';a="', b"chunked",
    b"identity", b"gzip", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b" folded\r\n", b"Host: y\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0",
    b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /invocations HTTP/1.1\r\n", b"9999999999999999999",
    b"ffffffffffffffff", b"A" * 9000,
]  # fmt: skip
_METHODS = [b"POST", b"GET", b"HEAD", b"PUT", b"OPTIONS", b"POSTS", b"post"]
_TARGETS = [b"/invocations", b"/ping", b"/", b"//invocations", b"/invocations?a", b"/x", b"http://x/ping"]
_VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0"]
_ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b""]
_COLONS = [b": ", b":", b":\t", b" : ", b": \t ", b"\t:", b"::", b"=", b":\x0b", b":\0", b":\r\n "]
_LENGTHS = [b"%d", b"0%d", b"+%d", b"-%d", b"%d ", b"%d,%d", b"0x%x", b"%d.0", b"%d\x0b", b"", b"1%d"]
_CODINGS = [
    b"chunked", b"Chunked", b"chunked ", b"identity", b"gzip, chunked", b"chunked, chunked", b"",
    b"chunked, identity", b"\x0bchunked", b"xchunked", b"chunked;q=1", b'"chunked"',
]  # fmt: skip
_SIZES = [b"%x", b"%X", b"0%x", b"%x ", b" %x", b"+%x", b"0x%x", b"%xg", b"1%x", b"-%x", b"0" * 15 + b"%x"]
_EXTENSIONS = [b"", b";a", b";a=b", b';a="b"', b';a="', b";", b" ;a", b";a\n", b";\xff", b";a=b;c=d"]
_CHUNK_ENDS = [b"\r\n", b"\n", b"", b"\r", b"XX"]
_TRAILERS = [
    b"",
    b"X: a",
    b"Content-Length: 3",
    b"Transfer-Encoding: chunked",
    b"bad",
    b" X: a",
    b"X: a\nY: b",
]
_EXTRAS = [
    b"Accept: */*", b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b"Host: y",
    b"Content-Length: 3", b"Content_Length: 3", b"Content-Type: text/csv", b"X: \xff\xfe", b"X: a\rb",
    b"X: a\nb", b" folded", b"no colon", b"Content-Length : 3", b"Transfer-Encoding: chunked", b": a",
    b"Transfer_Encoding: chunked", b"X: \0", b"X-A: " + b"a" * 400, b"Upgrade: h2c",
    b"Content-Encoding: gzip", b"Accept: application/json", b"X-Forwarded-Proto: https",
]  # fmt: skip
_FRAMINGS = ["length", "chunks", "both", "none"]
_TAILS = [b"", b"abc", b"\r\n", b"0\r\n\r\n", b"GET /ping HTTP/1.1\r\n\r\n", b"x" * 200, b"\0\xff"]
_LAST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


class Writer(NamedTuple):
    """Writes one stream of requests."""

    chance: random.Random
    odd: float
    """How probable anything but the usual is."""

    def pick(self, options: list[bytes]) -> bytes:
        """Return the first option, or by chance another."""
        return self.chance.choice(options) if self.chance.random() < self.odd else options[0]

    def request(self, nonce: bytes) -> bytes:
        """Return a request with the nonce in its body."""
        chance = self.chance
        body = nonce + chance.choice(_TAILS)
        framing = chance.choice(_FRAMINGS if chance.random() < self.odd else _FRAMINGS[:2])
        fields = [b"Host" + self.pick(_COLONS) + b"x", self.pick(_EXTRAS)]
        if framing in ("length", "both"):
            form = self.pick(_LENGTHS)
            value = form % ((len(body),) * form.count(b"%"))
            fields.append(b"Content-Length" + self.pick(_COLONS) + value)
        if framing in ("chunks", "both"):
            fields.append(b"Transfer-Encoding" + self.pick(_COLONS) + self.pick(_CODINGS))
            body = self._chunks(body)
        chance.shuffle(fields)
        line = b" ".join([self.pick(_METHODS), self.pick(_TARGETS), self.pick(_VERSIONS)])
        head = b"".join(text + self.pick(_ENDS) for text in [line, *fields])
        return head + b"\r\n" + (b"" if framing == "none" else body)

    def _chunks(self, body: bytes) -> bytes:
        place = self.chance.randrange(len(body) + 1)
        chunks = [
            self.pick(_SIZES) % len(part)
            + self.pick(_EXTENSIONS)
            + self.pick(_CHUNK_ENDS)
            + part
            + self.pick(_CHUNK_ENDS)
            for part in (body[:place], body[place:])
            if part
        ]
        trailer = self.pick(_TRAILERS)
        last = b"0" + self.pick(_EXTENSIONS) + self.pick(_CHUNK_ENDS) + (trailer and trailer + b"\r\n")
        return b"".join(chunks) + last + self.pick(_CHUNK_ENDS)


def make_stream(chance: random.Random, nonce: bytes) -> bytes:
    """Return one to five requests, each body with the nonce in it; the last one ends the connection."""
    writer = Writer(chance, chance.choice([0.0, 0.01, 0.02, 0.05, 0.2]))
    stream = b"".join(writer.request(nonce) for _ in range(chance.choice([1, 1, 2, 3, 4])))
    if chance.random() < 0.4:
        stream = mutated(stream, chance, WORDS)
    last = nonce + b"!"
    return stream + _LAST % len(last) + last
