"""A handler with sessions and adapters: it answers what it finds in them."""

import os

import numpy as np

from mlberth_serve import HTTPError


def model_fn(model_dir):
    return {"loaded": []}


def input_fn(data, content_type):
    import json

    return json.loads(data)


def load_adapter_fn(name, src, model):
    with open(src) as file:
        text = file.read()
    if text == "broken":
        raise ValueError("secret of the adapter")
    if text == "memory":
        raise MemoryError
    if text == "refused":
        raise HTTPError(422, "wrong_rank", "No.")
    if text == "die":
        os.kill(os.getpid(), 9)
    model["loaded"].append(name)
    return f"{name}:{text}"


def unload_adapter_fn(name, adapter, model):
    model["loaded"].remove(name)


def predict_fn(order, model, context):
    kind, session = order["kind"], context.session
    if kind == "add":
        with session.lock():
            session["total"] = session.get("total", 0) + order["number"]
        return {"total": session["total"], "pid": os.getpid(), "id": session.id}
    if kind == "array":
        path = session.folder / "array.npy"
        if order.get("values"):
            np.save(path, np.array(order["values"]))
        return np.load(path).tolist()
    if kind == "die":
        session["last"] = "words"
        os.kill(os.getpid(), 9)
    if kind == "stream":
        return (f"{number}\n" for number in range(3))
    if kind == "session":
        return {"session": dict(session) if session is not None else None, "pid": os.getpid()}
    return {"adapter": context.adapter, "loaded": sorted(model["loaded"]), "pid": os.getpid()}


def output_fn(prediction, accept):
    return prediction
