"""A chat model that answers as OpenAI's /v1/chat/completions does, token by token if the client asks for it.

The model is a stand-in: it repeats what it was told. Put your own tokens in the place of `generate`.
"""

import asyncio
import itertools
import json
import time

from mlberth_serve import HTTPError, server_sent_events

numbers = itertools.count(1)


def model_fn(model_dir):  # noqa: ARG001
    return "echo"


def input_fn(body, content_type):  # noqa: ARG001
    order = json.loads(body)
    if not isinstance(order.get("messages"), list):
        raise HTTPError(400, "invalid_request_error", "messages is not a list.")
    return order


async def generate(messages):
    """Yield the tokens of an answer; while one is waited for, the worker answers others."""
    for word in f"You said: {messages[-1]['content']}".split(" "):
        await asyncio.sleep(0.01)
        yield word + " "


def describe(kind, model, **choice):
    return {
        "id": f"chatcmpl-{next(numbers)}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, **choice}],
    }


async def chunks(order, model):
    head = describe("chat.completion.chunk", model)

    def chunk(delta, reason=None):
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": ""})
    async for token in generate(order["messages"]):
        yield chunk({"content": token})
    yield chunk({}, "stop")
    yield "[DONE]"


async def collect(tokens):
    return "".join([token async for token in tokens])


def predict_fn(order, model):
    if order.get("stream"):
        return server_sent_events(chunks(order, model))
    text = asyncio.run(collect(generate(order["messages"])))
    message = {"role": "assistant", "content": text}
    return describe("chat.completion", model, message=message, finish_reason="stop")
