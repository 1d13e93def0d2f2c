"""A handler that streams what its request says: `{"kind": ..., ...}`; what becomes of generators goes to files."""

import asyncio
import os
import pathlib
import signal
import threading
import time

from mlberth_serve import Event, HTTPError, Response, concurrent, json_lines, server_sent_events

NOTES = pathlib.Path(os.environ["STREAM_NOTES"])
BIG = b"x" * 1_000_000


def note(name, text=""):
    with (NOTES / name).open("a") as file:
        file.write(f"{text}\n")


def wait_for(name):
    deadline = time.monotonic() + 30
    while not (NOTES / name).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.005)


async def wait_for_async(name):
    while not (NOTES / name).exists():
        await asyncio.sleep(0.005)


def model_fn(model_dir):
    return None


def input_fn(data, content_type):
    import json

    return json.loads(data)


def gated(order):
    """One piece, and the second when it is told to."""
    try:
        yield "first\n"
        wait_for(order["gate"])
        yield "second\n"
    except GeneratorExit:
        note(order["gate"] + ".closed")
        raise
    finally:
        note(order["gate"] + ".finally")


async def gated_async(order):
    try:
        yield "first\n"
        await wait_for_async(order["gate"])
        yield "second\n"
    except (GeneratorExit, asyncio.CancelledError):
        note(order["gate"] + ".closed")
        raise
    finally:
        note(order["gate"] + ".finally")


def ticking(order):
    """A piece each 20 ms: it moves."""
    try:
        for number in range(order["count"]):
            yield f"{number}\n"
            time.sleep(0.02)
    finally:
        note(order.get("gate", "ticking") + ".finally")


async def ticking_async(order):
    try:
        for number in range(order["count"]):
            yield f"{number}\n"
            await asyncio.sleep(0.02)
    finally:
        note(order.get("gate", "ticking") + ".finally")


def flood(order):
    """Megabytes, each noted when it is made."""
    for _ in range(order["count"]):
        note(order["gate"])
        yield BIG


async def flood_async(order):
    for _ in range(order["count"]):
        note(order["gate"])
        yield BIG


def breaking(order):
    yield "half"
    raise ValueError("secret of the handler")


async def breaking_async(order):
    yield "half"
    raise ValueError("secret of the handler")


def raising(order):
    raise HTTPError(422, "too_old", "No.") if order.get("http") else ValueError("secret")
    yield


async def raising_async(order):
    raise HTTPError(422, "too_old", "No.") if order.get("http") else ValueError("secret")
    yield


def dying(order):
    """Dies before its first piece, or after it; a retry would be seen."""
    note(order["gate"], os.getpid())
    if order.get("after"):
        yield "first"
    if (NOTES / order["gate"]).read_text().count("\n") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield "again"


def hanging(order):
    note(order["gate"])
    if order.get("after"):
        yield "first"
    time.sleep(30)
    yield "late"


async def hanging_async(order):
    note(order["gate"])
    if order.get("after"):
        yield "first"
    await asyncio.sleep(30)
    yield "late"


def items(order):
    yield from order["items"]


async def items_async(order):
    for item in order["items"]:
        yield item


def where(order):
    yield f"{os.getpid()} {threading.current_thread() is threading.main_thread()}"


KINDS = {name: value for name, value in globals().items() if callable(value)}


def make(order):
    stream = KINDS[order["kind"]](order)
    if order.get("as") == "events":
        return server_sent_events(stream)
    if order.get("as") == "lines":
        return json_lines(stream)
    if order.get("as") == "event":
        return server_sent_events([Event("a\nb", event="token", id="7", retry=5), {"x": [1]}, "[DONE]"])
    if order.get("as") == "status":
        return Response(stream, status=order["status"], content_type="text/x", headers={"X-Model": "7"})
    return stream


@concurrent
def side_by_side(order):
    return make(order)


def predict_fn(order, model, context):
    if order["kind"] == "plain":
        return [1, 2, 3]
    context.set_response_header("X-Kind", order["kind"])
    return make(order)


if os.environ.get("STREAM_CONCURRENT"):
    predict_fn = concurrent(predict_fn)

if not os.environ.get("STREAM_NO_SESSIONS"):
    from sessions import stream_fn  # noqa: F401
