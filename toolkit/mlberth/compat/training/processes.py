"""Programs that the compatibility packages start: the user's training program, and our own `serve`.

They are called from a user's program, whose environment the new process is to have.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import mlberth
from mlberth.code.install import Installs, install_command, is_package
from mlberth.code.s3 import download
from mlberth.code.sources import fetch_code
from mlberth.code.staging import holds_files
from mlberth.compat.training.errors import CalledProcessError, ExecuteUserScriptError, InstallModuleError
from mlberth.envvars import Reader

_SERVE = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from mlberth_serve.__main__ import main; sys.exit(main([]))"
)
_LAST_BYTES = 64 * 1024


def run(  # noqa: PLR0917 - the signature of both toolkits
    uri: str | None,
    user_entry_point: str,
    args: Sequence[str] = (),
    env_vars: Mapping[str, str] | None = None,
    wait: bool = True,
    capture_error: bool = False,
    runner: Any = None,
    extra_opts: Any = None,  # noqa: ARG001 - the launchers' that are not there
    runner_type: Any = None,
) -> subprocess.Popen[bytes]:
    """Run the user's program in the code folder, fetched and installed first unless `train` has done so.

    Raises ExecuteUserScriptError if it fails, with the end of its standard error if that is to be captured.
    """
    if "mpi" in str(runner or runner_type).lower():
        raise NotImplementedError("MPI: there is no such launcher; start the processes in the program itself")
    code = mlberth.environment().layout.code
    program = user_entry_point if (code / user_entry_point).exists() else f"{user_entry_point}.py"
    if uri and not (code / program).exists():
        fetch_code(uri, code, os.environ)
        install(code, capture_error)
    program = user_entry_point if (code / user_entry_point).exists() else program
    environ = {**os.environ, **(env_vars or {})}
    return _start(_argv(code, program, args), code, environ, ExecuteUserScriptError, wait, capture_error)


def install(path: str | Path, capture_error: bool = False) -> None:
    """Install the requirements and the package of a folder; raises InstallModuleError."""
    installs = Installs.read(Reader(os.environ))
    if argv := install_command(sys.executable, Path(path), installs):
        _start(argv, Path(path), os.environ, InstallModuleError, True, capture_error)


def download_and_extract(uri: str, path: str) -> None:
    """Bring code from a folder, a file, an archive or an s3:// address into a folder without any."""
    folder = Path(path)
    if not holds_files(folder):
        fetch_code(uri, folder, os.environ, where="uri")


def s3_download(url: str, dst: str) -> None:
    """Bring one file from S3."""
    with tempfile.TemporaryDirectory(prefix="mlberth-s3-") as folder:
        shutil.move(download(url, Path(folder), os.environ, where="url"), dst)


def python_executable() -> str:
    """Return the interpreter that programs run in: ours."""
    return sys.executable


def check_error(
    cmd: Sequence[str],
    error_class: type[CalledProcessError] = ExecuteUserScriptError,
    capture_error: bool = False,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Run a command in the code folder, unless one is named; raises the error if it fails."""
    folder = Path(cwd) if cwd else mlberth.environment().layout.code
    return _start(list(cmd), folder, os.environ if env is None else env, error_class, True, capture_error)


def serve(variables: Mapping[str, str]) -> NoReturn:
    """Become our `serve`, with these variables set."""
    # Not the `serve` on PATH: that may be the very program that called us.
    os.execve(sys.executable, [sys.executable, "-c", _SERVE], {**os.environ, **variables})  # noqa: S606


def handler_file(handler_service: str) -> str:
    """Return the file of a custom service that is named as `/a/file.py:handle` or as a module."""
    name = handler_service.partition(":")[0]
    if Path(name).is_file():
        return str(Path(name).absolute())
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        raise ModuleNotFoundError(f"no file and no module {name!r}; expected the file of a custom service")
    return spec.origin


def _argv(code: Path, program: str, args: Sequence[str]) -> list[str]:
    if program.endswith(".py"):
        module = program.removesuffix(".py").removeprefix("src/").replace("/", ".")
        script = ["-m", module] if is_package(code) else [program]
        return [sys.executable, *script, *args]
    interpreter = [] if os.access(code / program, os.X_OK) else ["/bin/sh"]
    return [*interpreter, f"./{program}", *args]


def _start(  # noqa: PLR0917 - each of its callers knows all of them
    argv: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    error: type[CalledProcessError],
    wait: bool,
    capture: bool,
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(argv, cwd=folder, env=environ, stderr=subprocess.PIPE if capture else None)
    end = b""
    if process.stderr:
        for line in process.stderr:  # ours goes on to show it
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            end = (end + line)[-_LAST_BYTES:]
    if wait and process.wait():
        raise error(argv, process.returncode, end)
    return process
