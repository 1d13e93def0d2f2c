"""Requests as batch scripts of Slurm: a head of the request's own, and the part that all scripts have.

Values become words of a shell by one function, `word`; what nodes do is in functions that they run.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth.errors import ContractError, Fault
from mlberth_local.inputs.delivery import Channel, channels_of
from mlberth_local.jobs.cluster import DEFAULT_GROUP
from mlberth_local.jobs.processing import CONFIG_MEMBERS
from mlberth_local.render.coverage import notes
from mlberth_local.render.rendering import Rendered, comments
from mlberth_local.render.request_files import PROCESSING, TRAINING, Request, input_shape
from mlberth_local.render.slurm.coverage import COVERAGE, impossible

_BODY = "job.sh"
"""The part that all scripts have, beside this file."""
_READ_ONLY = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"})
_FIRST_PRINTABLE = 32
_NOTICE_SECONDS = 120
_DEFAULT_SECONDS = 86400
# The names of the hosts are those of the platform: the program reads them, and asks for no addresses.
_HOSTS = (
    r"""'{"current_host":"algo-'$((SLURM_NODEID + 1))'","hosts":['"$(seq -f """
    r"""'"algo-%.0f"' -s , 1 "$SLURM_NNODES")"']}'"""
)
_HEAD = """\
#!/bin/bash
# {operation} {name}, for Slurm: sbatch FILE. Change what is different on your cluster.
{notes}#SBATCH --job-name={name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time={minutes}
#SBATCH --output=%x-%j.log --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@{notice}
# shellcheck disable=SC2016,SC2329 # functions and variables of the nodes
set -euo pipefail

# A folder of this job that all nodes share: it gets checkpoints/.
FOLDER=${{FOLDER:-$SLURM_SUBMIT_DIR/{name}}}
# A folder of each node, for its copies; a local disk is best.
SCRATCH=${{SCRATCH:-${{TMPDIR:-/tmp}}}}
# For Apptainer; podman:NAME for podman, a SIF file, or nothing for the commands on PATH.
image={image}
IMAGE=${{IMAGE-$image}}
# How often the job may start again by itself.
RESTARTS=${{RESTARTS:-{restarts}}}
# The names of more variables that fetch and run need in a podman container, as A|B.
PASSED=${{PASSED:-}}

# What each node gets. $ML is the node's /opt/ml.
fetch() {{
{fetch}}}

# What each node runs.
run() {{
{run}}}

"""


def render(requests: Sequence[Request]) -> Rendered:
    """Return the script for one job; raises ContractError for what Slurm has no way to run."""
    if len(requests) != 1 or requests[0].operation not in (TRAINING, PROCESSING):
        found = ", ".join(request.operation for request in requests)
        expected = f"one request of {TRAINING} or {PROCESSING}"
        action = (
            "Slurm runs jobs to their end, and gives them no address: run servers on Kubernetes, or with "
            "`mlberth up`. Render each job by itself."
        )
        raise ContractError(Fault("mlberth render slurm", found, expected, action))
    operation, parameters = requests[0]
    faults = [*impossible(operation, parameters), *_without_text(operation, parameters)]
    faults += [
        Fault(f"{operation}, Environment", name, "another name: it is one that the shell keeps for itself")
        for name in parameters.get("Environment") or {}
        if name in _READ_ONLY
    ]
    if faults:
        raise ContractError(*faults)
    left_out = notes(operation, input_shape(operation), parameters, COVERAGE[operation])
    head = _training(parameters) if operation == TRAINING else _processing(parameters)
    limit = (parameters.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds") or _DEFAULT_SECONDS
    text = _HEAD.format(
        operation=operation,
        notes=comments(left_out),
        minutes=math.ceil(limit / 60),
        notice=min(_NOTICE_SECONDS, max(1, limit // 2)),
        **head,
    )
    return Rendered(text + Path(__file__).with_name(_BODY).read_text("utf-8"), left_out)


def word(text: str) -> str:
    """Return a text as one word of bash, in one line: sbatch refuses a script with line breaks of DOS."""
    if not any(ord(one) < _FIRST_PRINTABLE or one == "\x7f" for one in text):
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    parts = (f"\\{ord(one):03o}" if ord(one) < _FIRST_PRINTABLE else one for one in escaped)
    return f"$'{''.join(parts)}'"


def placed(path: str) -> str:
    """Return a path of the contract as a word, below the node's own tree."""
    if path == DEFAULT_BASE or path.startswith(f"{DEFAULT_BASE}/"):
        rest = path.removeprefix(DEFAULT_BASE)
        return f'"$ML"{word(rest) if rest else ""}'
    return word(path)


def _training(request: Mapping[str, Any]) -> dict[str, Any]:
    algorithm, name = request["AlgorithmSpecification"], request["TrainingJobName"]
    channels = channels_of(request, DEFAULT_GROUP)
    config = {
        "hyperparameters": request.get("HyperParameters") or {},
        "inputdataconfig": {channel.name: channel.contract() for channel in channels},
    }
    if definitions := algorithm.get("MetricDefinitions"):
        config["metric-definition-regex"] = definitions
    fetch = [_json(f'"$ML"/input/config/{file}.json', content) for file, content in config.items()]
    fetch += [_fetch(channel, f'"$ML"/input/data/{word(channel.name)}') for channel in channels]
    words = [*(algorithm.get("ContainerEntrypoint") or ()), *(algorithm.get("ContainerArguments") or ())]
    output = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output"
    packed = request["OutputDataConfig"].get("CompressionType") != "NONE"
    pushes = [
        (f'"$ML"/output/data --leader --always {word(f"{output}/output.tar.gz")}'),
        f'"$ML"/model --leader {word(f"{output}/model.tar.gz" if packed else f"{output}/model/")}',
    ]
    environ = {"TRAINING_JOB_NAME": name, **(request.get("Environment") or {})}
    return {
        "name": name,
        "nodes": request["ResourceConfig"].get("InstanceCount", 1),
        "restarts": (request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 3),
        "image": _image(algorithm.get("TrainingImage")),
        "fetch": _lines(fetch),
        "run": _lines(_run(pushes, words or ["train"], environ)),
    }


def _processing(request: Mapping[str, Any]) -> dict[str, Any]:
    app, name = request["AppSpecification"], request["ProcessingJobName"]
    config = {one: request[one] for one in CONFIG_MEMBERS if one in request} | {"ProcessingJobName": name}
    fetch = [
        'mkdir -p "$ML"/config',
        _json('"$ML"/config/processingjobconfig.json', config),
        f'printf %s {_HOSTS} >"$ML"/config/resourceconfig.json',
    ]
    for entry in request.get("ProcessingInputs") or ():
        source = {
            **entry["S3Input"],
            "S3DataDistributionType": entry["S3Input"].get("S3DataDistributionType"),
        }
        channel = Channel(entry["InputName"], "File", {"DataSource": {"S3DataSource": source}})
        fetch.append(_fetch(channel, placed(entry["S3Input"]["LocalPath"])))
    pushes = []
    for entry in (request.get("ProcessingOutputConfig") or {}).get("Outputs") or ():
        output = entry["S3Output"]
        fetch.append(f"mkdir -p {placed(output['LocalPath'])}")
        pushes.append(f"{placed(output['LocalPath'])} {word(output['S3Uri'].rstrip('/') + '/')}")
    words = app.get("ContainerEntrypoint") or ["process"]
    cluster = request["ProcessingResources"]["ClusterConfig"]
    return {
        "name": name,
        "nodes": cluster["InstanceCount"],
        "restarts": 0,
        "image": _image(app["ImageUri"]),
        "fetch": _lines(fetch),
        "run": _lines(
            _run(pushes, [*words, *(app.get("ContainerArguments") or ())], request.get("Environment") or {})
        ),
    }


def _image(name: str | None) -> str:
    return word(f"docker://{name}") if name else "''"


def _json(file: str, content: Any) -> str:
    # Of ASCII alone, and without a newline.
    return f"printf %s {word(json.dumps(content))} >{file}"


def _fetch(channel: Channel, folder: str) -> str:
    options = " --manifest" if channel.source.get("S3DataType") == "ManifestFile" else ""
    options += " --shard auto" if channel.distribution == "ShardedByS3Key" else ""
    return f"mlberth fetch --if-empty{options} {word(channel.source['S3Uri'])} {folder}"


def _run(pushes: Sequence[str], command: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that run a command inside the pushes of what it leaves.

    Its variables are set after all words are known: they may have any name, also that of one of ours.
    """
    words = " ".join(map(placed, command))
    yield " ".join(["set --", *(f"mlberth push {push} --" for push in pushes), words])
    for name, value in environ.items():
        yield f"export {name}={word(value)}"
    yield '"$@"'


def _lines(lines: Iterator[str] | Sequence[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def _without_text(operation: str, value: Any, path: str = "") -> Iterator[Fault]:
    """Yield the values that no shell can be given."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _without_text(operation, name, path)
            yield from _without_text(operation, item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _without_text(operation, item, f"{path}[{number}]")
    elif isinstance(value, str) and ("\0" in value or any("\ud800" <= one <= "\udfff" for one in value)):
        yield Fault(f"{operation}, {path}", ascii(value), "text that a process can be given, without NUL")
