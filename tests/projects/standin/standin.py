"""A WSGI application that loads, answers and fails as its test tells it through STANDIN_* variables."""

import os
import pathlib
import signal
import threading
import time

from mlberth.errors import Fault, ModelLoadError


def told(name):
    return name in os.environ and pathlib.Path(os.environ[name]).exists()


def wait_for(path):
    deadline = time.monotonic() + 30
    while not pathlib.Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


if "STANDIN_LOADS" in os.environ:
    with open(os.environ["STANDIN_LOADS"], "a") as file:
        file.write(f"{os.getpid()}\n")
if "STANDIN_GATE" in os.environ:
    wait_for(os.environ["STANDIN_GATE"])
if told("STANDIN_FAIL"):
    raise ModelLoadError(Fault("model.joblib", "nothing", "a model"))
if told("STANDIN_DIE"):
    os.kill(os.getpid(), signal.SIGKILL)
if "STANDIN_THREAD" in os.environ:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if "STANDIN_FORK" in os.environ:
    forked = pathlib.Path(os.environ["STANDIN_FORK"])
    os.register_at_fork(after_in_child=lambda: (forked.touch(), time.sleep(1)))


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/invocations":
        command, _, value = body.decode().partition(" ")
        if command == "touch-and-wait":
            touch, gate = value.split()
            pathlib.Path(touch).touch()
            wait_for(gate)
        if command == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if command == "header":
            body = environ.get(value, "").encode()
        if command == "variable":
            body = os.environ.get(value, "").encode()
        if command == "scheme":
            body = environ["wsgi.url_scheme"].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    start_response("404 Not Found", [("Content-Length", "0")])
    return []
