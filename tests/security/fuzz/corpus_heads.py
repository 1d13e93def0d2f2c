"""Request lines and headers, right, odd and wrong; each request has a body of three bytes or none."""

from __future__ import annotations

HOST = b"Host: x\r\n"
BODY = b"Content-Length: 3\r\n\r\nabc"
GET_END = b"\r\n"


def line(text: bytes) -> bytes:
    """Return a prediction request with a request line of its own, without a line end."""
    return text + b"\r\n" + HOST + BODY


def get(target: bytes) -> bytes:
    """Return a GET request of a target."""
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + GET_END


def method(name: bytes) -> bytes:
    """Return a request of /invocations by a method, without a body."""
    return name + b" /invocations HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"


def field(text: bytes) -> bytes:
    """Return a prediction request with one more field."""
    return b"POST /invocations HTTP/1.1\r\n" + HOST + text + b"\r\n" + BODY


def host(text: bytes) -> bytes:
    """Return a prediction request whose host is named by the given lines alone."""
    return b"POST /invocations HTTP/1.1\r\n" + text + BODY


def fields(count: int, text: bytes = b"X-%d: a\r\n") -> bytes:
    """Return a prediction request with many fields."""
    return (
        b"POST /invocations HTTP/1.1\r\n" + HOST + b"".join(text % number for number in range(count)) + BODY
    )


REQUESTS: dict[str, bytes] = {
    # Request lines
    **{
        f"line {text!r}": line(text)
        for text in (
            b"POST /invocations HTTP/1.1",
            b"POST  /invocations HTTP/1.1",
            b"POST /invocations  HTTP/1.1",
            b" POST /invocations HTTP/1.1",
            b"POST\t/invocations\tHTTP/1.1",
            b"POST /invocations HTTP/1.1 ",
            b"POST /invocations HTTP/1.1\t",
            b"POST /invocations HTTP/1.1 x",
            b"POST /invocations x HTTP/1.1",
            b"POST /invocations",
            b"POST",
            b"POST /invocations HTTP",
            b"POST /invocations HTTP/",
            b"POST /invocations HTTP/1",
            b"POST /invocations HTTP/1.",
            b"POST /invocations HTTP/.1",
            b"POST /invocations HTTP/1.10",
            b"POST /invocations HTTP/01.1",
            b"POST /invocations HTTP/1.1.1",
            b"POST /invocations HTTP/1,1",
            b"POST /invocations HTTP /1.1",
            b"POST /invocations HTTP/ 1.1",
            b"POST /invocations HTTP/1 .1",
            b"POST /invocations HTTP/1.2",
            b"POST /invocations HTTP/1.9",
            b"POST /invocations HTTP/0.9",
            b"POST /invocations HTTP/0.1",
            b"POST /invocations HTTP/2.0",
            b"POST /invocations HTTP/3.0",
            b"POST /invocations HTTP/9.9",
            b"POST /invocations HTTP/-1.1",
            b"POST /invocations HTTP/1.x",
            b"POST /invocations http/1.1",
            b"POST /invocations HTTPS/1.1",
            b"POST /invocations ICE/1.0",
            b"POST /invocations RTSP/1.0",
            b"POST /invocations \xef\xbc\xa8TTP/1.1",
            b"POST /invocations HTTP/1.\xb9",
            b"POST /invocations HTTP/1.1\x00",
            b"\x00POST /invocations HTTP/1.1",
            b"POST\x00 /invocations HTTP/1.1",
            b"POST /invo\rcations HTTP/1.1",
            b"POST /invocations HTTP/1.1\r",
            b"POST\x0b/invocations\x0bHTTP/1.1",
            b"POST\xa0/invocations\xa0HTTP/1.1",
        )
    },
    "line ended by LF": line(b"POST /invocations HTTP/1.1").replace(b"\r\n", b"\n", 1),
    "every line ended by LF": line(b"POST /invocations HTTP/1.1").replace(b"\r\n", b"\n"),
    "line ended by CR": line(b"POST /invocations HTTP/1.1").replace(b"\r\n", b"\r", 1),
    "line of 8 kB": get(b"/" + b"a" * 8300),
    "line of 70 kB": get(b"/" + b"a" * 70_000),
    # Methods
    **{
        f"method {name!r}": method(name)
        for name in (
            b"GET",
            b"PUT",
            b"DELETE",
            b"OPTIONS",
            b"PATCH",
            b"TRACE",
            b"CONNECT",
            b"PROPFIND",
            b"M-SEARCH",
            b"POSTS",
            b"POS",
            b"post",
            b"Post",
            b"PO ST",
            b"PO:ST",
            b"PO(ST",
            b"PO/ST",
            b"PO\x01ST",
            b"P\xc3\xb6ST",
            b"POST\x7f",
            b"*",
            b"1",
            b"-",
            b"_",
            b"{POST}",
            b"A" * 300,
            b"A" * 9000,
        )
    },
    # Targets
    **{
        f"target {text!r}": get(text)
        for text in (
            b"/ping",
            b"/ping?",
            b"/ping?a=b&c=%64",
            b"/ping#x",
            b"/ping?#",
            b"/ping;a",
            b"/%70ing",
            b"/ping%",
            b"/ping%0",
            b"/ping%zz",
            b"/ping%00",
            b"/ping%0d%0aX:%20a",
            b"/ping\x00",
            b"/ping\x01",
            b"/ping\x7f",
            b"/ping\xff",
            b"/p\xc3\xafng",
            b"/ping\t",
            b"/ping/",
            b"//ping",
            b"/./ping",
            b"/x/../ping",
            b"/../ping",
            b"/..",
            b"/%2e%2e/%2e%2e/etc/passwd",
            b"/..%2f..%2fetc/passwd",
            b"/%252e%252e/etc/passwd",
            b"/..\\..\\etc\\passwd",
            b"/\\ping",
            b"/ping\\",
            b"/%c0%ae%c0%ae/etc/passwd",
            b"/state/ready",
            b"/nginx.conf",
            b"/-/late",
            b"/not_ready.json",
            b"/metrics/../nginx.conf",
            b"ping",
            b"*",
            b"?",
            b"#",
            b"http://x/ping",
            b"http://y/ping",
            b"http://x:1/ping",
            b"http://x",
            b"http://",
            b"http:///ping",
            b"http://x@y/ping",
            b"http://x\\y/ping",
            b"HTTP://X/ping",
            b"https://x/ping",
            b"ftp://x/ping",
            b"file:///etc/passwd",
            b"x:80",
            b"//x/ping",
            b"/ping?" + b"a" * 4000,
            b"/ping%u0041",
            b"/openapi.json",
            b"/execution-parameters",
            b"/execution-parameters/x",
            b"/<script>",
            b'/"',
            b"/{}|^`",
        )
    },
    "OPTIONS *": line(b"OPTIONS * HTTP/1.1"),
    "CONNECT": line(b"CONNECT x:80 HTTP/1.1"),
    # Header names
    **{
        f"name {name!r}": field(name + b": a")
        for name in (
            b"X",
            b"x-y.z",
            b"!#$%&'*+-.^_`|~0",
            b"X_Y",
            b"",
            b" X",
            b"X ",
            b"X\t",
            b"X Y",
            b"X\x00",
            b"X\x01",
            b"X\x7f",
            b"X\x80",
            b"X\xc3\xa9",
            b"X(",
            b"X)",
            b"X,",
            b"X/",
            b"X;",
            b"X<",
            b"X=",
            b"X?",
            b"X@",
            b"X[",
            b"X\\",
            b"X{",
            b'X"',
            b"X\r",
            b"\rX",
            b"X" * 300,
        )
    },
    "field without a colon": field(b"X"),
    "field of a colon": field(b":"),
    "field of spaces": field(b"   "),
    "first field folded": host(b" X: a\r\n" + HOST),
    # Header values
    **{
        f"value {value!r}": field(b"X: " + value)
        for value in (
            b"",
            b" \t a \t ",
            b"a\tb",
            b"a:b:c",
            b'"quoted',
            b"\xff\xfe",
            "é€".encode(),
            b"\x00",
            b"a\x00b",
            b"\x01",
            b"a\x08b",
            b"a\x0bb",
            b"a\x0cb",
            b"a\x1bb",
            b"a\x7fb",
            b"a\rb",
            b"a\nY: b",
            b"a\r",
            b"a\r\n b",
            b"a\r\n\tb",
            b"\r\n a",
            b"a\r\n ",
            b"a" * 4000,
            b"a" * 8185,
            b"a" * 9000,
            b"a" * 70_000,
        )
    },
    "50 fields": fields(50),
    "97 fields": fields(97),
    "101 fields": fields(101),
    "3000 fields": fields(3000),
    "40 kB in 10 fields": fields(10, b"X-%d: " + b"a" * 4000 + b"\r\n"),
    # Host
    "no host": host(b""),
    "no host in HTTP/1.0": b"POST /invocations HTTP/1.0\r\n" + BODY,
    "two hosts, equal": host(HOST * 2),
    "two hosts": host(HOST + b"Host: y\r\n"),
    **{
        f"host {value!r}": host(b"Host: " + value + b"\r\n")
        for value in (
            b"",
            b" ",
            b"localhost:8080",
            b"[::1]:8080",
            b"127.0.0.1",
            b"a.b-c_d",
            b"x/y",
            b"x y",
            b"x\ty",
            b"x,y",
            b"x@y",
            b"x#y",
            b"x?y",
            b"x\\y",
            b"x\x01",
            b"x\x00",
            b"x\xff",
            b"x:y",
            b"x:99999",
            b"x:",
            b"..",
            b"[::1",
            b"http://x",
            b"x" * 300,
        )
    },
    "host with an underscore": host(b"Host_: x\r\n"),
    "host behind a space": host(b"Host : x\r\n"),
    # Fields that ask for something
    **{
        f"expect {value!r}": field(b"Expect: " + value)
        for value in (
            b"100-continue",
            b"100-Continue",
            b"",
            b"200-ok",
            b"100-continue, x",
            b"100-continue\x00",
        )
    },
    "expect twice": field(b"Expect: 100-continue\r\nExpect: 100-continue"),
    "expect in HTTP/1.0": b"POST /invocations HTTP/1.0\r\nExpect: 100-continue\r\n" + HOST + BODY,
    **{
        f"connection {value!r}": field(b"Connection: " + value)
        for value in (
            b"close",
            b"Close",
            b"close, x",
            b"x, close",
            b"keep-alive",
            b"",
            b"upgrade",
            b"host",
            b"te",
        )
    },
    "connection twice": field(b"Connection: keep-alive\r\nConnection: close"),
    "proxy connection": field(b"Proxy-Connection: close"),
    "upgrade to a web socket": field(b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ=="),
    "upgrade to HTTP/2": field(
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"
    ),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "preface of HTTP/2 and a frame": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "two content types": field(b"Content-Type: text/csv\r\nContent-Type: application/json"),
    "TE": field(b"TE: trailers"),
    "range": field(b"Range: bytes=0-0"),
    "method override": field(b"X-HTTP-Method-Override: GET"),
    "forged addresses": field(
        b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6"
    ),
    "forged environment": field(b"SCRIPT_NAME: /x\r\nPATH_INFO: /ping\r\nREMOTE_USER: root"),
    "rewritten target": field(
        b"X-Original-URL: /ping\r\nX-Rewrite-URL: /ping\r\nX-Accel-Redirect: /nginx.conf"
    ),
    # No HTTP at all
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "PROXY line": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + get(b"/ping"),
    "PROXY version 2": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + get(b"/ping"),
    "HTTP/0.9": b"GET /ping\r\n",
    "HTTP/0.9 by POST": b"POST /invocations\r\n",
    "HTTP/0.9 with a space": b"GET /ping \r\n",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "SMTP": b"EHLO x\r\nMAIL FROM:<a@b>\r\n",
    "SSH": b"SSH-2.0-x\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "RDP": b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00",
    "NULs": bytes(100),
    "all bytes": bytes(range(256)),
    "only CRs": b"\r" * 100,
    "only LFs": b"\n" * 100,
    "UTF-16": "POST /invocations HTTP/1.1\r\n\r\n".encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + line(b"POST /invocations HTTP/1.1"),
    "nothing": b"",
}
