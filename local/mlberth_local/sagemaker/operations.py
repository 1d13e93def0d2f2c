"""The table of SageMaker's operations that this platform carries out."""

from __future__ import annotations

from mlberth_local.operations import Exceptions, Operation

# Each file of a resource has tables of these two names; they are joined here.
OPERATIONS: dict[str, Operation] = {}
EXCEPTIONS: dict[str, Exceptions] = {}
