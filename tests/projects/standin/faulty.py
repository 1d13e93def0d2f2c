"""A WSGI application that does to its worker what the first words of a body say; `record` notes each run."""

import os
import pathlib
import re
import signal
import sys
import threading
import time

if "FAULTY_LOAD_SECONDS" in os.environ:
    time.sleep(float(os.environ["FAULTY_LOAD_SECONDS"]))
MODEL = pathlib.Path(os.environ["FAULTY_MODEL"]).read_text() if "FAULTY_MODEL" in os.environ else ""
if "FAULTY_THREAD" in os.environ:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if "FAULTY_LOADS" in os.environ:
    with open(os.environ["FAULTY_LOADS"], "a") as file:
        file.write(f"{os.getpid()}\n")


LEAKED = []


def wait_for(path):
    deadline = time.monotonic() + 30
    while not pathlib.Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def hang():
    while True:
        time.sleep(0.1)


def stream(environ, count):
    for number in range(int(count)):
        time.sleep(0.1)
        yield b"%d\n" % number


def break_off():
    yield b"begun"
    raise RuntimeError("broken off")


def application(environ, start_response):
    if environ["PATH_INFO"] != "/invocations":
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    if "HTTP_X_REFUSE" in environ:
        start_response("413 Content Too Large", [("Content-Length", "0")])
        return []
    body = environ["wsgi.input"].read().decode()
    words = body.split()
    if words[:1] == ["record"]:
        with open(words[1], "a") as file:
            file.write(f"{os.getpid()} {environ.get('HTTP_X_MLBERTH_RETRY', '')}\n")
        words = words[2:]
    command, *values = words or [""]
    if command == "abort":
        os.abort()
    if command == "hang":
        hang()
    if command == "hang-in-c":
        sum(range(10**12))
    if command == "backtrack":
        re.match("(a+)+$", "a" * 64 + "b")
    if command == "leak":
        LEAKED.append(b"x" * (int(values[0]) << 20))
    if command == "large":
        body = "x" * (int(values[0]) << 10)
    if command == "leave":
        sys.exit(3)
    if command == "raise":
        raise OSError("no such device")
    if command == "wait":
        wait_for(values[0])
    if command == "sleep":
        time.sleep(float(values[0]))
    if command == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if command == "stream":
        start_response("200 OK", [])
        return stream(environ, values[0])
    if command == "break-off":
        start_response("200 OK", [])
        return break_off()
    if command == "short":
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]
    if command == "connection":
        body = str(os.fstat(environ["gunicorn.socket"].fileno()).st_ino)
    if command == "worker":
        body = str(os.getpid())
    if command == "model":
        body = MODEL
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]
