"""A build backend that needs nothing from an index."""

import zipfile
from pathlib import Path

INFO = "berth_probe-1.0.dist-info"


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "berth_probe-1.0-py3-none-any.whl"
    files = {f"pkg/{path.name}": path.read_text() for path in Path("src/pkg").glob("*.py")}
    files[f"{INFO}/METADATA"] = "Metadata-Version: 2.1\nName: berth-probe\nVersion: 1.0\n"
    files[f"{INFO}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{INFO}/RECORD"] = "".join(f"{member},,\n" for member in [*files, f"{INFO}/RECORD"])
    with zipfile.ZipFile(Path(folder, name), "w") as wheel:
        for member, text in files.items():
            wheel.writestr(member, text)
    return name
