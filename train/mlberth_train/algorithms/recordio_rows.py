"""Examples of recordio-protobuf as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from mlberth.channels.examples import VALUES, Example, Tensor
from mlberth.errors import ContractError, Fault

_EXPECTED = "one tensor of numbers, or one that is called 'values'"


def read_recordio(examples: Iterable[Example], where: str, label_size: int) -> tuple[Any, Any]:
    """Return features and labels: features as a csr_matrix if any is sparse, labels None for the size 0.

    Raises ContractError with the number of the record that does not fit, counted from 1.
    """
    import numpy as np

    values, columns, labels = array("f"), array("q"), array("f")
    starts, widths, narrowest, is_sparse = array("q", [0]), set[int](), 0, False
    for number, example in enumerate(examples, 1):
        place = f"{where}, record {number}"
        tensor = _tensor(example.features, place, "features")
        values.extend(iter(tensor.values))
        if tensor.keys is None:
            columns.extend(range(len(tensor.values)))
            widths.add(len(tensor.values))
        else:
            is_sparse = True
            columns.extend(iter(tensor.keys))
            narrowest = max(narrowest, *tensor.shape[:1], 1 + max(tensor.keys, default=-1))
        starts.append(len(values))
        if label_size:
            label = _tensor(example.labels, place, "labels").values
            if len(label) != label_size:
                raise ContractError(Fault(place, f"{len(label)} labels", f"{label_size}"))
            labels.extend(iter(label))
        if len(widths) > 1:
            found = f"{len(tensor.values)} features"
            raise ContractError(Fault(place, found, "as many as in the records before"))
    height = len(starts) - 1
    numbers = np.asarray(values)
    features: Any
    if is_sparse:
        from scipy import sparse

        width = max(narrowest, *widths, 0)
        parts = numbers, np.asarray(columns), np.asarray(starts)
        features = sparse.csr_matrix(parts, shape=(height, width))
        features.sort_indices()
    else:
        features = numbers.reshape(height, -1)
    if not label_size:
        return features, None
    found_labels = np.asarray(labels)
    return features, found_labels if label_size == 1 else found_labels.reshape(height, label_size)


def _tensor(tensors: dict[str, Tensor | bytes], where: str, what: str) -> Tensor:
    tensor = tensors.get(VALUES) or (next(iter(tensors.values())) if len(tensors) == 1 else None)
    if not isinstance(tensor, Tensor):
        raise ContractError(Fault(where, f"{what} under {', '.join(tensors) or 'no name'}", _EXPECTED))
    return tensor
