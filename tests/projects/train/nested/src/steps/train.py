import os
import sys
from pathlib import Path

import neighbour

Path(os.environ["SM_MODEL_DIR"], "seen.txt").write_text(f"{sys.argv[0]} {neighbour.VALUE}")
