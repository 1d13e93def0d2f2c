import json
import os
import sys
from pathlib import Path

from pkg.model import VALUE

import importlib.metadata

seen = {"argv": sys.argv[1:], "package": __package__, "value": VALUE, "version": importlib.metadata.version("berth-probe")}
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
