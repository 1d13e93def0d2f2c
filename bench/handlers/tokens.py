"""Streams tokens that say when they were made, one each 10 ms; each is a line."""

import asyncio
import os
import time

from mlberth_serve import concurrent

COUNT, SECONDS = 50, 0.01


def model_fn(model_dir):
    return None


def input_fn(data, content_type):
    return None


async def tokens(data, model):
    began = time.monotonic()
    for _ in range(COUNT):
        await asyncio.sleep(SECONDS)
        yield f"{began} {time.monotonic()}\n"


@concurrent
def blocking_tokens(data, model):
    began = time.monotonic()
    for _ in range(COUNT):
        time.sleep(SECONDS)
        yield f"{began} {time.monotonic()}\n"


predict_fn = blocking_tokens if os.environ.get("BENCH_THREADS") else tokens
