"""The senders of a transform job: each host's objects go to its model server, the results to their place."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.inputs.channels import Item
from mlberth_local.inputs.objects import Objects, below
from mlberth_local.log_files import LogWriter
from mlberth_local.transform.model_client import ModelClient
from mlberth_local.transform.records import TransformError
from mlberth_local.transform.transformation import Form, Transformation

_READY_SECONDS = 600.0
_LOOK_SECONDS = 0.05
_DEFAULT_TIMEOUT, _DEFAULT_RETRIES = 600, 3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """What one host has to transform."""

    ports: tuple[int, ...]
    """Of the containers, in the order in which requests pass them."""
    names: tuple[str, ...]
    items: tuple[Item, ...]
    scratch: Path
    """A folder for results on their way."""
    log: Path
    """The stream `data-log`."""


class TransformSenders:
    """Transforms the shares of all hosts in threads; `done` is given the reason of a failure, or nothing."""

    def __init__(
        self,
        request: Mapping[str, Any],
        form: Form,
        shares: Sequence[Share],
        objects: Objects,
        done: Callable[[str], None],
    ) -> None:
        self._request = request
        self._form = form
        self._shares = shares
        self._objects = objects
        self._done = done
        self._stop = threading.Event()
        self._failures: list[tuple[str, str]] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="transform")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Return when nothing is sent any more."""
        self._stop.set()
        self._thread.join()

    def finish(self) -> None:
        """Do nothing: each object's results are stored when they are whole."""

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(len(self._shares), "transform-host") as hosts:
                for failure in hosts.map(self._transform_share, self._shares):
                    if failure:
                        self._failures.append(("", failure))
        except Exception as error:  # the job waits for its end, whatever has happened
            log.exception("a transform has come to no end")
            self._failures.append(("", f"InternalServerError: {_named(error)}"))
        if not self._stop.is_set():
            # The first one in the order of the keys, whichever came first.
            self._done(min(self._failures)[1] if self._failures else "")

    def _transform_share(self, share: Share) -> str:
        """Transform one host's objects; returns why it could not begin."""
        config = self._request.get("ModelClientConfig") or {}
        retries = config.get("InvocationsMaxRetries")
        client = ModelClient(
            *share.ports,
            names=share.names,
            content_type=self._request["TransformInput"].get("ContentType"),
            accept=self._request["TransformOutput"].get("Accept"),
            timeout=config.get("InvocationsTimeoutInSeconds") or _DEFAULT_TIMEOUT,
            retries=_DEFAULT_RETRIES if retries is None else retries,
        )
        deadline = time.monotonic() + _READY_SECONDS
        while (place := client.unready()) is not None:
            if self._stop.wait(_LOOK_SECONDS):
                return ""
            if time.monotonic() > deadline:
                name = client.container(place) or "the model server"
                return f"AlgorithmError: {name} does not answer /ping within {_READY_SECONDS:g} s"
        parameters = client.parameters(dict(self._request))
        data_log = _DataLog(share.log)
        data_log.write_first(f"[sagemaker logs]: {parameters}")
        transformation = Transformation(client, parameters, self._form)
        try:
            with ThreadPoolExecutor(parameters.max_concurrent or 1, "transform-object") as pool:
                ends = [
                    pool.submit(self._transform, item, share, transformation, data_log)
                    for item in share.items
                ]
                for end in ends:
                    end.result()
        finally:
            transformation.close()
            data_log.close()
        return ""

    def _transform(
        self, item: Item, share: Share, transformation: Transformation, data_log: _DataLog
    ) -> None:
        """Transform one object, if a daemon before has not."""
        # Not by the object's name: there may be others that are called as its files would be.
        digest = hashlib.sha256(item.name.encode(errors="surrogatepass")).hexdigest()
        mark, result = share.scratch / f"{digest}.done", share.scratch / f"{digest}.out"
        if self._stop.is_set() or mark.exists():
            return
        try:
            share.scratch.mkdir(parents=True, exist_ok=True)
            transformation.run(item.object.path, result, self._stop.is_set)
            self._objects.put(
                below(self._request["TransformOutput"]["S3OutputPath"], f"{item.name}.out"), result
            )
            mark.touch()
        except (TransformError, ServiceError, OSError) as error:
            self._note_failure(item, str(error), data_log)
        except Exception as error:  # never a result that is missing without a word
            log.exception("%s cannot be transformed", item.object.address)
            self._note_failure(item, _named(error), data_log)
        finally:
            result.unlink(missing_ok=True)

    def _note_failure(self, item: Item, problem: str, data_log: _DataLog) -> None:
        if not self._stop.is_set():
            name = f"{item.object.bucket}/{item.object.key}"
            self._failures.append((item.object.key, _reason(name, problem)))
            data_log.write(f"{name}: {problem}")


class _DataLog:
    """The stream that says what becomes of the objects; written to by several threads."""

    def __init__(self, path: Path) -> None:
        self._writer = LogWriter(path)
        self._lock = threading.Lock()

    def write_first(self, line: str) -> None:
        """Write the line that it begins with, unless a daemon before has."""
        if not self._writer.lines:
            self.write(line)

    def write(self, line: str) -> None:
        """Append a line."""
        with self._lock:
            self._writer.write([line.encode(errors="replace")])

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def _named(error: Exception) -> str:
    """Return what an error of no class of ours says, and which it is."""
    return f"{type(error).__name__}: {error}"


def _reason(name: str, problem: str) -> str:
    """Return the FailureReason of an object: the server's fault, or that of what it was sent."""
    by_server = problem.startswith(("Bad HTTP status", "Unable to get response"))
    return (
        f"{'AlgorithmError' if by_server else 'ClientError'}: {name}: {problem.removeprefix('ClientError: ')}"
    )
