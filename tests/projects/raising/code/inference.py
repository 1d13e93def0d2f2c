"""Raises whatever exception a request names, in the function that it names: "STEP MODULE:CLASS"."""

import asyncio
import concurrent.futures
import importlib
import json
import os
import pkgutil
import queue
import sys
import unittest
import zipfile

import flask
import gunicorn.http.errors
import numpy
import sklearn.exceptions
import xgboost


class PanicException(BaseException):
    """As pyo3 derives a panic of Rust's."""


class Hostile(Exception):
    def __str__(self):
        raise KeyboardInterrupt

    __repr__ = __str__

    @property
    def status_code(self):
        raise SystemExit(3)

    @property
    def __class__(self):
        raise RuntimeError


def every_class():
    found, left = {}, [BaseException]
    while left:
        for kind in type.__subclasses__(left.pop()):
            if kind not in found.values():
                found[f"{kind.__module__}:{kind.__qualname__}"] = kind
                left.append(kind)
    return found


CLASSES = {}


def make(name):
    if name not in CLASSES:
        CLASSES.update(every_class())
    kind = CLASSES[name]
    try:
        error = kind()
    except BaseException:
        error = kind.__new__(kind)
    if not isinstance(error, BaseException):  # a class that makes something else
        error = RuntimeError(name)
    return error


def model_fn(model_dir):
    for module in sys.stdlib_module_names:
        if not module.startswith("_") and module not in {"antigravity", "this", "idlelib", "turtledemo", "test"}:
            try:
                importlib.import_module(module)
            except BaseException:  # not for this platform
                pass
    return every_class


def fail(step, data):
    named, _, name = data.partition(" ")
    if named == step:
        raise make(name)


def input_fn(data, content_type):
    data = data.decode()
    fail("input", data)
    return data


def predict_fn(data, model):
    fail("predict", data)
    if data.startswith("exit "):
        os._exit(int(data.split()[1]))
    if data == "fork":
        return [os.fork() and 1]
    if data == "classes":
        return sorted(model())
    if data == "pid":
        return os.getpid()
    return data


class LateArray:
    """What is only found out when it is written."""

    def __init__(self, name):
        self.name = name

    def __array__(self, *_, **__):
        raise make(self.name)

    __len__ = __iter__ = __array__


def output_fn(prediction, accept):
    if isinstance(prediction, str):
        fail("output", prediction)
        step, _, name = prediction.partition(" ")
        if step == "late":
            return LateArray(name)
    return json.dumps(prediction), "application/json"
