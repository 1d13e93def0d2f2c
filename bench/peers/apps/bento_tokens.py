"""A BentoML service that streams tokens."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator

import bentoml

COUNT, SECONDS = 50, 0.01


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]))
class Service:
    @bentoml.api
    async def predict(self) -> AsyncGenerator[str, None]:
        began = time.monotonic()
        for _ in range(COUNT):
            await asyncio.sleep(SECONDS)
            yield f"{began} {time.monotonic()}\n"
