"""One channel, read epoch by epoch: as records, lines, examples, manifest entries or bytes."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from mlberth.channels.damage import damage
from mlberth.channels.examples import Example, read_example
from mlberth.channels.fifo import BUFFER, open_fifo
from mlberth.channels.files import in_order_of, list_files, shard
from mlberth.channels.manifests import read_augmented, value_of
from mlberth.channels.recordio import read_frames
from mlberth.contract.channels import Channel
from mlberth.errors import ContractError, Fault
from mlberth.recordio import LARGEST

T = TypeVar("T")
LARGEST_LINE = 64 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)


class Input:
    """A channel of the job. Each call of a method that reads begins the next epoch.

    At most one record, line or piece of a file is in memory. In Pipe mode an epoch that is not read to its
    end is closed when the next one begins, and no epoch can be read twice.
    """

    def __init__(
        self, info: Channel, *, part: tuple[int, int] = (0, 1), seed: int | None = None, wait: float = 900.0
    ) -> None:
        self.info = info
        """What the job says of it: name, mode, content type, distribution, …"""
        self.epoch = 0
        """The epoch that the next call reads."""
        self._part = part
        self._seed = seed
        self._wait = wait
        self._open = contextlib.ExitStack()

    def files(self, epoch: int = 0) -> list[Path]:
        """Return the files of this process in the order of an epoch; in Pipe mode there are none."""
        if self.info.mode == "Pipe":
            return []
        # Shuffled before it is divided, so that each rank gets other files in each epoch.
        return shard(in_order_of(epoch, self._seed, list_files(self.info.path)), *self._part)

    def open(self, epoch: int | None = None) -> BinaryIO:
        """Return all bytes of an epoch as one stream: the FIFO, or the files one after the other.

        They are as they are: gzip is unpacked only if the job says so (CompressionType).
        """
        streams = self._streams(epoch, unpack=self.info.compression is not None)
        if self.info.mode == "Pipe" and self.info.compression is None:
            return next(streams)[1]
        return cast(BinaryIO, io.BufferedReader(_Joined(streams), BUFFER))

    def records(self, epoch: int | None = None, *, largest: int = LARGEST) -> Iterator[bytes]:
        """Yield the records of RecordIO, without the frames.

        If the channel's RecordWrapperType is RecordIO, each object is a record: in Pipe mode it comes in a
        frame, and in File mode each file is one.
        """
        return (record for _, _, record in self._frames(epoch, largest))

    def examples(self, epoch: int | None = None) -> Iterator[Example]:
        """Yield the examples of recordio-protobuf."""

        def parsed() -> Iterator[Example]:
            for name, offset, record in frames:
                try:
                    yield read_example(record)
                except ValueError as error:  # text that is not UTF-8 is one as well
                    raise damage(name, offset, str(error), "an example of recordio-protobuf") from None

        frames = self._frames(epoch, LARGEST)
        return parsed()

    def lines(self, epoch: int | None = None) -> Iterator[str]:
        """Yield the lines of text in UTF-8, without their ends; empty ones are left out."""
        return self._divided(self._each(self._streams(epoch), _lines))

    def augmented(self, *names: str, epoch: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the entries of an augmented manifest by name, `source-ref` and the like.

        In Pipe mode `names` are the job's AttributeNames in their order, and there is a record for each:
        bytes for a name in `-ref`, else the JSON value. In File mode the channel's files in *.manifest,
        *.jsonl and *.json are the manifests, with paths of files in place of addresses, and `names` are those
        to keep, all without them.
        """
        if self.info.mode == "Pipe":
            return self._divided(_grouped(self._frames(epoch, LARGEST, divided=False), names))

        def read(stream: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
            if not name.endswith((".manifest", ".jsonl", ".json")):
                return
            for number, entry in enumerate(read_augmented(stream, name, self.info.path), 1):
                if missing := [key for key in names if key not in entry]:
                    expected = f"the names {', '.join(names)}"
                    raise damage(name, number, f"no {', '.join(missing)}", expected, unit="entry")
                yield {key: entry[key] for key in names or entry}

        return self._each(self._streams(epoch), read)

    def close(self) -> None:
        """Close what is open of an epoch."""
        self._open.close()

    def _streams(self, epoch: int | None, *, unpack: bool = True) -> Iterator[tuple[str, BinaryIO]]:
        """Begin an epoch; return its streams with their names, each open while it is read."""
        self._open.close()
        epoch = self.epoch if epoch is None else epoch
        self.epoch = epoch + 1
        if self.info.mode == "Pipe":
            return self._pipe(self.info.path.with_name(f"{self.info.name}_{epoch}"), unpack)
        return self._files(epoch, unpack)

    def _pipe(self, path: Path, unpack: bool) -> Iterator[tuple[str, BinaryIO]]:
        stream = self._open.enter_context(open_fifo(path, self._wait))
        if not _peek(stream):
            stream.close()
            raise self._empty(str(path), "no data")
        yield str(path), _unpacked(stream) if unpack else stream

    def _files(self, epoch: int, unpack: bool) -> Iterator[tuple[str, BinaryIO]]:
        paths = self.files(epoch)
        if not paths:
            (rank, ranks), found = self._part, len(list_files(self.info.path))
            what = f"{found} files for {ranks} ranks, none for rank {rank}" if found else "no files"
            raise self._empty(str(self.info.path), what)
        for path in paths:
            with path.open("rb", buffering=BUFFER) as stream:
                self._open.callback(stream.close)
                yield str(path), _unpacked(stream) if unpack else stream
            self._open.pop_all()

    def _each(
        self, streams: Iterator[tuple[str, BinaryIO]], read: Callable[[BinaryIO, str], Iterator[T]]
    ) -> Iterator[T]:
        for name, stream in streams:
            with stream:
                try:
                    yield from read(stream, name)
                except _BROKEN_GZIP as error:
                    raise damage(name, 0, f"broken gzip ({error})", "a whole file of gzip") from None

    def _frames(
        self, epoch: int | None, largest: int, *, divided: bool = True
    ) -> Iterator[tuple[str, int, bytes]]:
        wrapped = self.info.record_wrapper == "RecordIO" and self.info.mode != "Pipe"

        def read(stream: BinaryIO, name: str) -> Iterator[tuple[str, int, bytes]]:
            if not wrapped:
                for offset, record in read_frames(stream, name, largest=largest):
                    yield name, offset, record
                return
            record = stream.read(largest + 1)
            if len(record) > largest:
                raise damage(name, 0, f"more than {largest} bytes", "a file that fits a record")
            yield name, 0, record

        streams = self._streams(epoch, unpack=not wrapped or self.info.compression is not None)
        found = self._each(streams, read)
        return self._divided(found) if divided else found

    def _divided(self, items: Iterator[T]) -> Iterator[T]:
        """Return every n-th item of a FIFO that each host gets whole; files are divided as files."""
        rank, ranks = self._part
        return islice(items, rank, None, ranks) if self.info.mode == "Pipe" and ranks > 1 else items

    def _empty(self, where: str, found: str) -> ContractError:
        action = (
            "Look at the channel's S3Uri: does any object begin with it? ShardedByS3Key needs as many "
            "objects as hosts, and sharded=True as many files as ranks."
        )
        return ContractError(Fault(where, found, f"data of the channel {self.info.name!r}", action))


class _Joined(io.RawIOBase):
    """Streams, one after the other."""

    def __init__(self, streams: Iterator[tuple[str, BinaryIO]]) -> None:
        self._streams = streams
        self._name, self._stream = next(streams)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read from the stream at hand, or from the next one after its end."""
        while True:
            try:
                if size := self._stream.readinto(buffer):  # type: ignore[attr-defined]  # ours all have it
                    return int(size)
            except _BROKEN_GZIP as error:
                raise damage(self._name, 0, f"broken gzip ({error})", "a whole file of gzip") from None
            following = next(self._streams, None)
            if following is None:
                return 0
            self._name, self._stream = following


def _peek(stream: BinaryIO) -> bytes:
    return cast(io.BufferedReader, stream).peek(len(_GZIP))[: len(_GZIP)]


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """Return what a stream holds, out of gzip if it is that; neither text nor RecordIO begins like it."""
    if _peek(stream) != _GZIP:
        return stream
    unpacked = gzip.GzipFile(fileobj=stream)
    unpacked.myfileobj = cast(io.FileIO, stream)  # closed with it
    # Buffered once more: GzipFile itself is slow for reads of a few bytes.
    return cast(BinaryIO, io.BufferedReader(unpacked, BUFFER))


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    offset = 0
    while line := stream.readline(LARGEST_LINE + 1):
        if len(line) > LARGEST_LINE:
            raise damage(name, offset, f"a line of more than {LARGEST_LINE} bytes", "shorter lines of text")
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise damage(
                name, offset + error.start, "bytes that are no UTF-8", "text", "Use open()."
            ) from None
        if text:
            yield text
        offset += len(line)


def _grouped(frames: Iterator[tuple[str, int, bytes]], names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if not names:
        raise ContractError(Fault("augmented()", "no names", "the job's AttributeNames, in their order"))
    while group := list(islice(frames, len(names))):
        if len(group) < len(names):
            where, offset, _ = group[-1]
            raise damage(
                where, offset, f"{len(group)} records at the end", f"one for each of {', '.join(names)}"
            )
        yield {name: value_of(name, record) for name, (_, _, record) in zip(names, group, strict=True)}
