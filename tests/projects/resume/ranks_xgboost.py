"""Two ranks of one collective look for their newest checkpoint: ranks_xgboost.py FOLDER."""

import multiprocessing
import sys
from pathlib import Path

from xgboost import collective
from xgboost.tracker import RabitTracker

from mlberth.checkpoints import Store
from mlberth.checkpoints.xgboost import latest


def look(rank, folder, arguments):
    """Print the rank and its rounds."""
    with collective.CommunicatorContext(**arguments):
        booster = latest(Store(Path(folder) / str(rank)))
        # One write: print makes two where output is unbuffered, and the ranks share a pipe.
        sys.stdout.write(f"rank {rank} has {booster.num_boosted_rounds()} rounds\n")


if __name__ == "__main__":
    tracker = RabitTracker(host_ip="127.0.0.1", n_workers=2)
    tracker.start()
    arguments = tracker.worker_args()
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=look, args=(rank, sys.argv[1], arguments)) for rank in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=40)
    sys.exit(any(process.exitcode for process in ranks))
