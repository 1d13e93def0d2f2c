"""A parameter server of TensorFlow, on the CPU; ended with the worker beside it.

As `python -m mlberth_train.ranks.tf_server TF_CONFIG`.
"""

from __future__ import annotations

import json
import sys


def main(config: str) -> None:
    """Serve parameters until this process is ended."""
    import tensorflow as tf  # type: ignore[import-untyped]

    settings = json.loads(config)
    # On the CPU: two processes of TensorFlow on one GPU get into each other's way.
    without_gpu = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    cluster, task = tf.train.ClusterSpec(settings["cluster"]), settings["task"]
    server = tf.distribute.Server(
        cluster, job_name=task["type"], task_index=task["index"], config=without_gpu
    )
    server.join()


if __name__ == "__main__":
    main(sys.argv.pop())
