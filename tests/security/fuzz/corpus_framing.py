"""Requests whose end is in doubt: lengths, codings, chunks, trailers, several on one connection."""

from __future__ import annotations

LINE = "POST /invocations HTTP/1.1"
CHUNKED = "Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"
SMUGGLED = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nsmuggled"


def post(*fields: str, body: bytes = b"abc", line: str = LINE) -> bytes:
    """Return a request with `Host` and the given fields."""
    return "\r\n".join([line, "Host: x", *fields, "", ""]).encode("latin-1") + body


def length(value: str, body: bytes = b"abc") -> bytes:
    """Return a request with one Content-Length."""
    return post(f"Content-Length: {value}", body=body)


def coding(value: str, *fields: str) -> bytes:
    """Return a request with a Transfer-Encoding and one chunk."""
    return post(f"Transfer-Encoding: {value}", *fields, body=b"3\r\nabc\r\n" + LAST)


def chunks(body: bytes) -> bytes:
    """Return a request with a chunked body."""
    return post(CHUNKED, body=body)


def trailer(field: bytes) -> bytes:
    """Return a chunked request with one line behind its last chunk."""
    return chunks(b"3\r\nabc\r\n0\r\n" + field + b"\r\n\r\n")


REQUESTS: dict[str, bytes] = {
    # Content-Length
    "length": length("3"),
    "length 0": length("0", b""),
    "length with leading zeros": length("0003"),
    "length in white space": post("Content-Length: \t 3 \t"),
    "length without a space": post("Content-Length:3"),
    "length in lower case": post("content-length: 3"),
    "no length and no body": post(body=b""),
    **{
        f"length {value!r}": length(value)
        for value in (
            "+3",
            "-3",
            "-0",
            "3,3",
            "3, 3",
            "3;3",
            "3 3",
            "0x3",
            "3.0",
            "3e0",
            "1e3",
            "3_0",
            "three",
        )
    },
    **{
        f"length {value!r}": length(value)
        for value in ("", "\x0b3", "3\x0c", "\xb3", "\xb2", "3\x00", "\u00a03")
    },
    "length of 19 nines": length("9" * 19),
    "length of 2^63": length(str(2**63)),
    "length of 2^64 + 3": length(str(2**64 + 3)),
    "length of 400 digits": length("0" * 399 + "3"),
    "two lengths, equal": post("Content-Length: 3", "Content-Length: 3"),
    "two lengths that differ": post("Content-Length: 3", "Content-Length: 0"),
    "two lengths, the first empty": post("Content-Length:", "Content-Length: 3"),
    "length with an underscore": post("Content_Length: 3", body=b""),
    "length and one with an underscore": post("Content-Length: 3", "Content_Length: 0"),
    "length behind a folded line": post("X: a", " Content-Length: 3"),
    "length with a space before the colon": post("Content-Length : 3"),
    "length with a tab before the colon": post("Content-Length\t: 3"),
    "length with a NUL in its name": post("Content-Length\x00: 3"),
    "length behind a NUL": post("X: a\x00\r\nContent-Length: 3"),
    "length behind a bare CR": post("X: a\rContent-Length: 3", body=b""),
    "length behind a bare LF": post("X: a\nContent-Length: 3"),
    "GET with a body": post("Content-Length: 3", line="GET /invocations HTTP/1.1"),
    "GET with a chunked body": post(CHUNKED, body=b"3\r\nabc\r\n" + LAST, line="GET /openapi.json HTTP/1.1"),
    "HEAD with a body": post("Content-Length: 3", line="HEAD /ping HTTP/1.1"),
    "GET of /ping with a body": post("Content-Length: 3", line="GET /ping HTTP/1.1"),
    "body to /ping": post("Content-Length: 3", line="POST /ping HTTP/1.1"),
    "body to nowhere": post("Content-Length: 3", line="POST /nowhere HTTP/1.1"),
    "length in HTTP/1.0": post("Content-Length: 3", line="POST /invocations HTTP/1.0"),
    "no length in HTTP/1.0": post(line="POST /invocations HTTP/1.0"),
    "kept open in HTTP/1.0": post(
        "Content-Length: 3", "Connection: keep-alive", line="POST /invocations HTTP/1.0"
    ),
    # Content-Length with Transfer-Encoding
    "length and chunks": post("Content-Length: 3", CHUNKED, body=b"3\r\nabc\r\n" + LAST),
    "chunks and length": post(CHUNKED, "Content-Length: 13", body=b"3\r\nabc\r\n" + LAST),
    "chunks and length 0": post(CHUNKED, "Content-Length: 0", body=b"3\r\nabc\r\n" + LAST),
    "length and no chunks": post("Content-Length: 3", "Transfer-Encoding: identity"),
    "length and an empty coding": post("Content-Length: 3", "Transfer-Encoding:"),
    "length, and a request in the chunk's place": post(
        "Content-Length: 6", CHUNKED, body=LAST + b"X" + SMUGGLED
    ),
    "length, and a folded coding": post("Content-Length: 3", "X: a", " Transfer-Encoding: chunked"),
    "length, and a coding with a space": post("Content-Length: 3", "Transfer-Encoding : chunked"),
    "length, and a coding with an underscore": post("Content-Length: 3", "Transfer_Encoding: chunked"),
    "length, and a coding behind a bare LF": post("Content-Length: 3", "X: a\nTransfer-Encoding: chunked"),
    # Transfer-Encoding
    "chunks": coding("chunked"),
    "chunks in capitals": coding("CHUNKED"),
    "chunks in white space": coding("\t chunked \t"),
    **{
        f"coding {value!r}": coding(value)
        for value in (
            "",
            "identity",
            "gzip",
            "gzip, chunked",
            "deflate, chunked",
            "chunked, gzip",
            "chunked, chunked",
            "identity, chunked",
            "chunked, identity",
            "chunked,",
            ", chunked",
            "xchunked",
            "chunkedx",
            "x chunked",
            "chunked;q=1",
            '"chunked"',
            "chun ked",
            "chunked\x0b",
            "\x0bchunked",
            "\x00chunked",
            "chunked\x00",
            "chunked\xa0",
            "\xffchunked",
            "c\u212aunked".encode("utf-8").decode("latin-1"),
        )
    },
    "two codings": coding("chunked", "Transfer-Encoding: chunked"),
    "two codings, one of them no coding": coding("chunked", "Transfer-Encoding: identity"),
    "two codings, the first no coding": coding("identity", "Transfer-Encoding: chunked"),
    "folded coding": post("Transfer-Encoding:", " chunked", body=b"3\r\nabc\r\n" + LAST),
    "coding in HTTP/1.0": post(CHUNKED, body=b"3\r\nabc\r\n" + LAST, line="POST /invocations HTTP/1.0"),
    "coding with an underscore alone": post("Transfer_Encoding: chunked", body=b""),
    # Chunks
    "no chunk but the last": chunks(LAST),
    "last chunk of many zeros": chunks(b"3\r\nabc\r\n0000000\r\n\r\n"),
    "chunk size in capitals": chunks(b"A\r\n0123456789\r\n" + LAST),
    "chunk size in small letters": chunks(b"a\r\n0123456789\r\n" + LAST),
    "chunk size with leading zeros": chunks(b"00000003\r\nabc\r\n" + LAST),
    "chunk size of 16 zeros and a digit": chunks(b"0" * 16 + b"3\r\nabc\r\n" + LAST),
    "chunks of one byte": chunks(b"1\r\na\r\n" * 50 + LAST),
    **{
        f"chunk size {size!r}": chunks(size + b"\r\nabc\r\n" + LAST)
        for size in (
            b"",
            b"+3",
            b"-3",
            b"0x3",
            b"x3",
            b"3x",
            b"g",
            b"3 ",
            b" 3",
            b"\t3",
            b"3\t",
            b"3_0",
            b"3,",
            b"3.0",
        )
    },
    **{
        f"chunk size {size!r}": chunks(size + b"\r\nabc\r\n" + LAST)
        for size in (b"\x003", b"3\x00", b"\xb3", b"\x0b3", b"3\r", b'"3"', b"3h", b"1 2", b"1 1")
    },
    "chunk size of 2^63": chunks(b"8000000000000000\r\nabc\r\n" + LAST),
    "chunk size of 2^64 + 3": chunks(b"10000000000000003\r\nabc\r\n" + LAST),
    "chunk size of 2^32 + 3": chunks(b"100000003\r\nabc\r\n" + LAST),
    "chunk size beyond the limit": chunks(b"200000\r\nabc"),
    "chunk size ended by LF": chunks(b"3\nabc\r\n" + LAST),
    "chunk size ended by CR": chunks(b"3\rabc\r\n" + LAST),
    "chunk size ended by two CRs": chunks(b"3\r\r\nabc\r\n" + LAST),
    "chunk ended by LF": chunks(b"3\r\nabc\n" + LAST),
    "chunk ended by CR": chunks(b"3\r\nabc\r" + LAST),
    "chunk ended by another two bytes": chunks(b"3\r\nabcXX" + LAST),
    "chunk without an end": chunks(b"3\r\nabc" + LAST),
    "chunk longer than its size": chunks(b"3\r\nabcd\r\n" + LAST),
    "chunk shorter than its size": chunks(b"4\r\nabc\r\n" + LAST),
    "last chunk ended by LFs": chunks(b"3\r\nabc\r\n0\n\n"),
    "last chunk with bytes": chunks(b"3\r\nabc\r\n0\r\nX\r\n\r\n"),
    "last chunk without its end": chunks(b"3\r\nabc\r\n0\r\n"),
    "no last chunk": chunks(b"3\r\nabc\r\n"),
    "negative last chunk": chunks(b"3\r\nabc\r\n-0\r\n\r\n"),
    "plain body that says chunked": chunks(b"abc"),
    "white space before the chunks": chunks(b"\r\n3\r\nabc\r\n" + LAST),
    # Extensions
    **{
        f"extension {text!r}": chunks(b"3" + text + b"\r\nabc\r\n" + LAST)
        for text in (
            b";",
            b";a",
            b";a=b",
            b' ; a="b c"',
            b';a="\\""',
            b";a=b;c=d",
            b"; a = b",
            b";=b",
            b";a=",
            b";;",
        )
    },
    **{
        f"extension {text!r}": chunks(b"3" + text + b"\r\nabc\r\n" + LAST)
        for text in (
            b';a="b',
            b';a="\r\n"',
            b";a\x00",
            b";a\x7f",
            b";a\rb",
            b";a\nb",
            b";\xff",
            b" a",
            b"\t;a",
        )
    },
    "extension of 3 kB": chunks(b"3;" + b"a" * 3000 + b"\r\nabc\r\n" + LAST),
    "extension of 100 kB": chunks(b"3;" + b"a" * 100_000 + b"\r\nabc\r\n" + LAST),
    "extension of the last chunk": chunks(b"3\r\nabc\r\n0;a=b\r\n\r\n"),
    "many chunks with extensions": chunks(b"1;a=b\r\nx\r\n" * 200 + LAST),
    # Trailers
    **{
        f"trailer {text!r}": trailer(text)
        for text in (
            b"X: a",
            b"X:",
            b"X: a\r\nY: b",
            b"X : a",
            b": a",
            b"no colon",
            b" folded",
            b"X: a\r\n b",
            b"X: \x00",
            b"X: a\x01b",
            b"X: a\nY: b",
            b"X: a\rY: b",
            b"\xff: a",
            b"Host: y",
            b"Content-Length: 5",
            b"Content-Length: x",
            b"Transfer-Encoding: chunked",
            b"Content_Length: 5",
            b"Authorization: a",
            b"Content-Type: text/csv",
            b"X-Forwarded-Proto: https",
        )
    },
    "200 trailers": trailer(b"\r\n".join(b"X-%d: a" % number for number in range(200))),
    "trailer of 9 kB": trailer(b"X: " + b"a" * 9000),
    # Several requests
    "body with a request in it": length(str(len(SMUGGLED)), SMUGGLED),
    "chunk with a request in it": chunks(b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n" + LAST),
    "request behind a GET's body": post(
        "Content-Length: 3", body=b"abc" + SMUGGLED, line="GET /ping HTTP/1.1"
    ),
    "two requests": length("3") + length("4", b"defg"),
    "chunked and plain": chunks(b"3\r\nabc\r\n" + LAST) + length("4", b"defg"),
    "request behind an empty line": b"\r\n" + length("3"),
    "request behind three empty lines": b"\r\n\r\n\r\n" + length("3"),
    "request behind LF": b"\n" + length("3"),
    "request behind a space": b" " + length("3"),
    "empty line between two": length("3") + b"\r\n" + length("3"),
    "request behind one that closes": post("Content-Length: 3", "Connection: close") + SMUGGLED,
    "request behind one in HTTP/1.0": post("Content-Length: 3", line="POST /invocations HTTP/1.0") + SMUGGLED,
    "request behind a fault": length("x") + SMUGGLED,
    "request behind bytes": length("3") + b"XXXX\r\n" + SMUGGLED,
    "request behind a body that is too long": length(str(2 * 1024 * 1024), b"abc") + SMUGGLED,
    "fifty requests": length("3") * 50,
    "half a request": length("3")[:30],
    "body that is too short": length("300"),
}
