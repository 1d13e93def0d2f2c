"""The variables that point clients at a daemon, and the one file that they need in the user's home.

The SDKs ask STS at an address that they take from botocore's `endpoints.json`: a copy of it, with STS on
this machine, goes to `~/.aws/models`. It is marked as ours; `down` removes it, and another's is left alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlberth_local.daemon.certificate import bundle
from mlberth_local.daemon.home import CLIENT_KEY, Home, Running
from mlberth_local.files import write_atomically

MARK = "mlberth"
"""The member of the file that names the home that it was written for."""
_TELEMETRY_OFF = """\
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


def client_environment(home: Home, running: Running) -> dict[str, str]:
    """Return the variables for boto3, the `aws` command and the SDKs; writes the files that they name."""
    config = home.folder / "sagemaker-config.yaml"
    if not config.exists():
        write_atomically(config, _TELEMETRY_OFF.encode())
    streams = {}
    if running.stream_port:
        streams["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2"] = f"https://127.0.0.1:{running.stream_port}"
    return {
        **streams,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{running.port}",
        "AWS_ACCESS_KEY_ID": CLIENT_KEY,
        "AWS_SECRET_ACCESS_KEY": home.keys()[CLIENT_KEY],
        "AWS_DEFAULT_REGION": running.region,
        "AWS_REGION": running.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CA_BUNDLE": str(bundle(home.folder)),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(config),
        "MLBERTH_HOME": str(home.folder),
    }


def endpoints_file(user_home: Path) -> Path:
    """Return the file by which botocore's clients of a user find services."""
    return user_home / ".aws" / "models" / "endpoints.json"


def install_endpoints(user_home: Path, home: Home, running: Running) -> str:
    """Write the file; returns what a person should know about it, or "" if it is as it was."""
    path = endpoints_file(user_home)
    content = json.dumps(_endpoints(home, running)).encode()
    if path.exists():
        if not _is_ours(path):
            return (
                f"{path} is not mlberth's, and stays as it is. The SageMaker SDKs will ask STS of AWS: "
                "move it away, and run `mlberth env` again."
            )
        if path.read_bytes() == content:
            return ""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return f"wrote {path}, so that the SageMaker SDKs find STS here; `mlberth down` removes it."


def remove_endpoints(user_home: Path, home: Home) -> bool:
    """Remove the file if it was written for this home; returns whether it was there."""
    path = endpoints_file(user_home)
    if not path.exists() or not _is_ours(path, home):
        return False
    path.unlink()
    for folder in (path.parent, path.parent.parent):
        try:
            folder.rmdir()
        except OSError:  # there is something else in it
            break
    return True


def _is_ours(path: Path, home: Home | None = None) -> bool:
    try:
        mark = json.loads(path.read_bytes()).get(MARK)
    except (OSError, ValueError, AttributeError):
        return False
    return mark is not None and (home is None or mark == str(home.folder))


def _endpoints(home: Home, running: Running) -> dict[str, Any]:
    """Return botocore's own list with STS of every region on this machine."""
    import botocore.loaders

    folder = botocore.loaders.Loader.BUILTIN_DATA_PATH
    loader = botocore.loaders.Loader(extra_search_paths=[folder], include_default_search_paths=False)
    found = dict(loader.load_data("endpoints"))
    here = {"hostname": f"127.0.0.1:{running.sts_port}", "protocols": ["https"]}
    for partition in found["partitions"]:
        regions = [*partition["regions"], *([running.region] if partition["partition"] == "aws" else [])]
        partition["services"]["sts"] = {"endpoints": dict.fromkeys(regions, here)}
    return {MARK: str(home.folder), **found}
