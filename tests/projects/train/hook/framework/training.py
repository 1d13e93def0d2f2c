import os
from pathlib import Path


def main():
    Path(os.environ["SM_MODEL_DIR"], "seen.txt").write_text(os.environ["SM_FRAMEWORK_MODULE"])


def fail():
    raise ValueError("the framework failed")
