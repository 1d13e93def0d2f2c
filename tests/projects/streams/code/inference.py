"""Does to the standard streams what a request, or MODE at the load, names; and prints what it is told to."""

import io
import os
import sys


class Broken:
    """In the place of a stream, and of no use."""

    @property
    def closed(self):
        raise RuntimeError("nobody can tell")


def close():
    sys.stdout.close()
    sys.stderr.close()


def none():
    sys.stdout = sys.stderr = None


def deleted():
    del sys.stdout, sys.stderr


def descriptors():
    for number in range(3):
        os.close(number)


def closed_file():
    with open(os.devnull, "w") as file:
        sys.stdout = sys.stderr = file


def detached():
    sys.stdout.detach()
    sys.stderr.detach()


def rewrapped():
    sys.stdout = io.TextIOWrapper(sys.stdout.detach(), "utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(sys.stderr.buffer, "utf-8", write_through=True)


def detached_wrapper():
    sys.stdout = io.TextIOWrapper(io.BytesIO())
    sys.stdout.detach()


def broken():
    sys.stdout = sys.stderr = Broken()


def elsewhere():
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)


def model_fn(model_dir):
    globals()[os.environ.get("MODE") or "rewrapped"]()
    return model_dir


def warm_up(model):
    globals()[os.environ.get("MODE") or "rewrapped"]()


def input_fn(data, content_type):
    return data.decode()


def predict_fn(text, model):
    action, _, said = text.partition(" ")
    if action == "print":
        print(said, flush=True)
        sys.stderr.write(f"{said}\n")
    elif action == "raise":
        raise ValueError(said)
    else:
        globals()[action]()
    return [text]
