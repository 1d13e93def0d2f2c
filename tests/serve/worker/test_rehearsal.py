"""The rehearsal of a fork server, in a process like one."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import importlib
from mlberth_serve.control.models.warm_modules import warm_modules
from mlberth_serve.worker.preload import why_not_fork
from mlberth_serve.worker.rehearsal import rehearse

modules = warm_modules("sklearn")
for name in modules:
    importlib.import_module(name)
rehearse(modules, {"A_TOKEN": "hidden"})
print(why_not_fork())
"""


def test_rehearsal_is_quiet_and_leaves_no_thread() -> None:
    """A process that is forked after it could not use a lock that a thread holds."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=os.environ | one, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("None\n", "")
