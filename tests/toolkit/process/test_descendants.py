"""Everything below this process is found and ended, whatever group it is in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Starts a grandchild that leaves the group and says that it is ready; then ends what is below.
PROGRAM = """
import json, os, sys
from mlberth.process.children import start
from mlberth.process.descendants import descendants, end_descendants
from mlberth.process.kernel import adopt_orphans
from mlberth.process.signals import SignalQueue

adopt_orphans()
with SignalQueue() as signals:
    readable, writable = os.pipe()
    sh = f'setsid sh -c "{sys.argv[1]}" & wait'
    child = start(["sh", "-c", sh], env=os.environ, stdout=writable)
    os.close(writable)
    with open(readable) as said:
        said.readline()  # the grandchild is ready
        before = len(descendants())
        killed = end_descendants([child], signals, polite_seconds=float(sys.argv[2]))
    print(json.dumps([before, killed, descendants(), child.returncode]))
"""


@pytest.mark.parametrize(
    ("handler", "polite", "is_killed", "returncode"),
    [("exit 0", 30, False, -15), ("", 0.2, True, -15), ("exit 0", 0, True, -9)],
    ids=["polite", "ignores TERM", "no time"],
)
def test_what_left_the_group_is_ended_too(
    handler: str, polite: float, is_killed: bool, returncode: int
) -> None:
    """TERM comes first, KILL where that was not enough, and the child's own code is kept."""
    script = f"trap '{handler}' TERM; echo ready; while :; do sleep 0.01; done"
    argv = [sys.executable, "-c", PROGRAM, script, str(polite)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    before, killed, left, code = json.loads(done.stdout)
    assert before >= 2
    assert (killed > 0, left, code) == (is_killed, [], returncode)
