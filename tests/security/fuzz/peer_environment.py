"""Run where sagemaker-training is installed: writes what it exports and passes, for each line that it reads.

The tree is that of SAGEMAKER_BASE_DIR; whoever writes a line has laid it out before.
"""

import json
import sys

from sagemaker_training import environment

for _ in sys.stdin:
    job = environment.Environment()
    answer = {"variables": job.to_env_vars(), "arguments": job.to_cmd_args()}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
