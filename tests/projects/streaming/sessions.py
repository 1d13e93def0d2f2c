"""What a session does, by its first message."""

import asyncio
import os
import pathlib

from mlberth_serve import HTTPError, SessionClosedError

NOTES = pathlib.Path(os.environ["STREAM_NOTES"])


def note(name, text=""):
    with (NOTES / name).open("a") as file:
        file.write(f"{text}\n")


async def echo(session, _):
    async for message in session:
        await session.send(message)
    note("echo", f"closed by {session.close_code}")


async def frames(session, _):
    """Send back each frame as it came."""
    async for frame in session.frames():
        await session.send(frame.data, is_last=frame.is_last)


async def fail(session, _):
    await session.send("so far")
    raise ValueError("secret of the handler")


async def refuse(session, _):
    raise HTTPError(422, "too_old", "No records from before 2020.")


async def close(session, _):
    await session.close(4001, "enough")


async def flood(session, _):
    """Send until the client is gone."""
    try:
        for number in range(10_000):
            await session.send(b"x" * 100_000)
            note("flood", number)
    finally:
        note("flood.finally")


async def wait(session, context):
    """Outlive the client, if it can."""
    try:
        await session.send(context.custom_attributes or context.query)
        await asyncio.sleep(60)
    finally:
        note("wait.finally")


async def last_word(session, _):
    await session.send("listening")
    async for _message in session:
        pass
    try:
        await session.send("last word")
    except SessionClosedError:
        note("last_word", "too late")


async def number(session, _):
    await session.send(7)


KINDS = {f.__name__: f for f in (echo, frames, fail, refuse, close, flood, wait, last_word, number)}


async def stream_fn(session, context):
    first = await anext(aiter(session))
    await KINDS[first](session, context)
