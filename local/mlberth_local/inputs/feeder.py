"""The feeder: a process that writes a host's channels into FIFOs, epoch after epoch.

It runs under a shim and so outlives the daemon; it ends when the job's run is removed. The FIFOs of a channel
are NAME_0, NAME_1, …; each holds the whole channel, and the next one appears when it was read.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlberth.channels.recordio import write_record
from mlberth_local.inputs.order import shuffled

FAILURE = "failure"
"""Beside the feeds: why one of them has come to an end."""
_CHUNK = 1024 * 1024


def main(folder: Path) -> None:
    """Feed all pipes that `feed.json` in a folder names, for ever."""
    feeds = json.loads((folder / "feed.json").read_text())["feeds"]
    threads = [threading.Thread(target=_try, args=(feed, folder), daemon=True) for feed in feeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _try(feed: dict[str, Any], folder: Path) -> None:
    report = partial(_report, folder)
    try:
        run(feed, report=report)
    except Exception as error:
        report(error)
        raise


def _report(folder: Path, error: Exception) -> None:
    """Leave for the daemon why a pipe ends too early."""
    new = folder / f"{FAILURE}.{threading.get_ident()}"
    new.write_text(str(error) if isinstance(error, OSError | ValueError) else repr(error))
    new.replace(folder / FAILURE)


def run(
    feed: dict[str, Any], epochs: int | None = None, report: Callable[[Exception], object] = repr
) -> None:
    """Write one epoch after the other, each into a FIFO of its own.

    `report` is given what has failed before the FIFO's reader sees the end.
    """
    epoch = 0
    while epochs is None or epoch < epochs:
        path = Path(f"{feed['pipe']}_{epoch}")
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        path.chmod(0o666)
        try:
            with path.open("wb") as pipe:  # waits for a reader
                try:
                    write_epoch(feed, epoch, pipe)
                except Exception as error:
                    if not isinstance(error, BrokenPipeError):
                        report(error)
                    raise
        except BrokenPipeError:  # the reader has had enough of this epoch
            pass
        epoch += 1


def write_epoch(feed: dict[str, Any], epoch: int, pipe: BinaryIO) -> None:
    """Write the whole channel once."""
    if "manifest" in feed:
        for record in _attributes(feed, epoch):
            write_record(pipe, record) if feed["records"] else pipe.write(record)
        return
    addresses = feed.get("addresses", feed["paths"])
    for address, path in _chosen(list(zip(addresses, feed["paths"], strict=True)), feed, epoch):
        with _named(address), closing(_opened(Path(path), unpack=feed["gzip"])) as file:
            if feed["records"]:
                write_record(pipe, file.read())
            else:
                shutil.copyfileobj(file, pipe, _CHUNK)


@contextmanager
def _named(address: str) -> Iterator[None]:
    """Say of an object that cannot be read which it is."""
    try:
        yield
    except BrokenPipeError:  # the reader's
        raise
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(f"{address}: {error}") from error


def _attributes(feed: dict[str, Any], epoch: int) -> Iterator[bytes]:
    """Yield the attributes of each line, one after the other; a reference is the object's content."""
    lines = Path(feed["manifest"]).read_bytes().split(b"\n")
    for line in _chosen([line for line in lines if line.strip()], feed, epoch):
        entry = json.loads(line)
        values = [(name, entry[name]) for name in feed["attributes"]]
        if any(name.endswith("-ref") and value not in feed["files"] for name, value in values):
            continue  # a line comes wholly, or not at all: readers count its attributes
        for name, value in values:
            if name.endswith("-ref"):
                with _named(value):
                    content = Path(feed["files"][value]).read_bytes()
                yield content
            else:
                text = value if isinstance(value, str) else json.dumps(value)
                yield text.encode(errors="surrogatepass")


def _chosen(items: list[Any], feed: dict[str, Any], epoch: int) -> tuple[Any, ...]:
    """Return this host's part of the items, as they are or in an order of their own for each epoch.

    They are shuffled before they are divided: so each host gets others in each epoch, as on the platform.
    """
    host, hosts = feed.get("part", (0, 1))  # one that an earlier version has left holds its part alone
    return shuffled(tuple(items), feed["seed"], epoch)[host::hosts]


def _opened(path: Path, *, unpack: bool) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if unpack else path.open("rb")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
