import json
import os
import sys
from pathlib import Path

import helper

seen = {"argv": sys.argv, "cwd": os.getcwd(), "name": __name__, "value": helper.VALUE, "environ": dict(os.environ)}
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
print("trained")
