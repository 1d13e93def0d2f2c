"""scikit-learn: estimators that learn in steps, by `partial_fit` or with `warm_start`.

def step(model, number):
    model.partial_fit(rows, labels, classes=[0, 1])

model = mlberth.checkpoints.sklearn.train(store, SGDClassifier(random_state=1), step, 100, every=10)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import joblib

from mlberth.checkpoints.stores import Store

FILE = "model.joblib"
Model = TypeVar("Model")


def train(
    store: Store, model: Model, step: Callable[[Model, int], object], steps: int, *, every: int = 1
) -> Model:
    """Call `step(model, number)` for each number below `steps`; return the model.

    Saves the model after each `every` steps, and begins with the newest whole checkpoint if there
    is one. A resumed run ends with the same model as one that was not killed when a step depends on
    the model and the number alone: give the estimator a `random_state`.
    """
    done = 0
    if checkpoint := store.latest():
        # Like every joblib file this is a program: the folder deserves the trust of the code itself.
        done, model = checkpoint.step, joblib.load(checkpoint.path / FILE)
    for number in range(done, steps):
        step(model, number)
        if (number + 1) % every == 0:
            with store.save(number + 1) as folder:
                joblib.dump(model, folder / FILE)
    return model
