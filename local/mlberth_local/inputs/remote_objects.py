"""Objects of another S3: each is fetched into a cache when it is asked for, once for each of its versions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from mlberth_local.errors import ServiceError
from mlberth_local.inputs.objects import Object, split

_AT_ONCE = 8
_PART = 64 * 1024 * 1024
"""Of an upload in parts, in bytes; what is not larger goes in one."""
_PIECE = 1 << 20
_KEPT_SECONDS = 7 * 86400.0
_UNAVAILABLE = 503


class RemoteObjects:
    """The buckets of another S3."""

    def __init__(
        self, connect: Callable[[], Any], cache: Path, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Use what `connect` returns, a botocore client of S3, from the first call on."""
        self._connect = connect
        self._client: Any = None
        self._cache = cache
        self._clock = clock

    def list(self, address: str) -> Iterator[Object]:
        """Yield the objects whose addresses begin with a text, in the order of their keys."""
        bucket, prefix = split(address)
        with _explained(), ThreadPoolExecutor(_AT_ONCE, "s3") as threads:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                yield from threads.map(lambda entry: self._object(bucket, entry), page.get("Contents") or [])

    def find(self, address: str) -> Object:
        """Return one object."""
        bucket, key = split(address)
        with _explained():
            head = self._s3.head_object(Bucket=bucket, Key=key)
            return self._object(bucket, {"Key": key, "Size": head["ContentLength"], "ETag": head["ETag"]})

    def put(self, address: str, source: Path) -> None:
        """Make a file an object: there whole or not at all."""
        bucket, key = split(address)
        where = {"Bucket": bucket, "Key": key}
        with _explained():
            if source.stat().st_size > _PART:
                self._put_in_parts(where, source)
            else:
                with source.open("rb") as file:
                    self._s3.put_object(**where, Body=file)

    def _put_in_parts(self, where: Mapping[str, str], source: Path) -> None:
        upload = {**where, "UploadId": self._s3.create_multipart_upload(**where)["UploadId"]}
        parts: list[dict[str, Any]] = []
        try:
            with source.open("rb") as file:
                while piece := file.read(_PART):
                    number = len(parts) + 1
                    done = self._s3.upload_part(**upload, PartNumber=number, Body=piece)
                    parts.append({"PartNumber": number, "ETag": done["ETag"]})
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            self._s3.abort_multipart_upload(**upload)
            raise

    def delete(self, address: str) -> None:
        """Remove an object; one that is not there is no error."""
        bucket, key = split(address)
        with _explained():
            self._s3.delete_object(Bucket=bucket, Key=key)

    def clean_up(self) -> None:
        """Remove what has not been used for a week, and what a killed process was fetching."""
        oldest = self._clock() - _KEPT_SECONDS
        for path in self._cache.iterdir() if self._cache.is_dir() else ():
            if path.suffix or path.stat().st_mtime < oldest:
                path.unlink()

    @property
    def _s3(self) -> Any:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _object(self, bucket: str, entry: Mapping[str, Any]) -> Object:
        key, tag = entry["Key"], entry["ETag"]
        path = self._cache / hashlib.sha256(f"{bucket}/{key}@{tag}".encode()).hexdigest()
        if key.endswith("/"):
            return Object(bucket, key, path, entry["Size"])
        if path.exists():
            path.touch()  # it is used, and stays
        else:
            self._cache.mkdir(parents=True, exist_ok=True)
            self._fetch({"Bucket": bucket, "Key": key, "IfMatch": tag}, path)
        return Object(bucket, key, path, entry["Size"])

    def _fetch(self, request: Mapping[str, str], path: Path) -> None:
        new = path.with_suffix(f".{uuid4().hex}")
        try:
            with new.open("wb") as file:
                for piece in self._s3.get_object(**request)["Body"].iter_chunks(_PIECE):
                    file.write(piece)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


@contextmanager
def _explained() -> Iterator[None]:
    """Raise the errors of the other S3 as ours."""
    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _UNAVAILABLE)
        raise ServiceError(found.get("Code", "Unknown"), found.get("Message", str(error)), status) from error
    except BotoCoreError as error:
        raise ServiceError("ServiceUnavailable", str(error), _UNAVAILABLE) from error
