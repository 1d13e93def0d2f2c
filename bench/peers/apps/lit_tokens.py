"""A LitServe API that streams tokens."""

import asyncio
import sys
import time

import litserve

COUNT, SECONDS = 50, 0.01


class Api(litserve.LitAPI):
    def setup(self, device):
        pass

    async def decode_request(self, request):
        return request

    async def predict(self, data):
        began = time.monotonic()
        for _ in range(COUNT):
            await asyncio.sleep(SECONDS)
            yield f"{began} {time.monotonic()}\n"

    async def encode_response(self, output):
        async for token in output:
            yield token


if __name__ == "__main__":
    host, port, workers = sys.argv[1:]
    api = Api(stream=True, enable_async=True)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(workers))
    server.run(host=host, port=int(port), generate_client_file=False, log_level="warning")
