"""Objects of S3, or of a store that speaks its API, read and written with botocore (extra `aws`)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from mlberth._typing import typing
from mlberth.envvars import OPTIONAL_TEXT, Reader, Variable
from mlberth.errors import ContractError, DependencyError, Fault

REGION = Variable(
    "AWS_REGION",
    OPTIONAL_TEXT,
    None,
    "The region of `s3://` addresses.",
    aliases=("SAGEMAKER_REGION",),
    default_text="botocore's own",
)
ENDPOINT = Variable(
    "S3_ENDPOINT_URL",
    OPTIONAL_TEXT,
    None,
    "Another store that speaks the API of S3.",
    default_text="AWS",
)
SCHEME = "s3://"
_CHUNK = 1024 * 1024
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_ATTEMPTS = 4
_PART = 64 * 1024 * 1024
"""A larger file goes in parts: a single request takes 5 GiB at the most."""
_MAX_PARTS = 10_000
"""S3's limit; a file beyond that many parts has larger ones."""


def download(address: str, folder: Path, environ: Mapping[str, str], *, where: str) -> Path:
    """Copy the object at `s3://bucket/key` into a folder under its own name; return its path.

    Credentials are botocore's own business. Raises ContractError that names the setting `where` for
    an object that cannot be read or written, and DependencyError if botocore is missing.
    """
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    name = PurePosixPath(key).name
    if not bucket or not name or key.endswith("/"):
        raise ContractError(Fault(where, repr(address), "s3://bucket/key of one object"))
    path = folder / name
    try:
        S3Bucket(address, environ, where=where).copy(key, path)
    except (OSError, ValueError) as error:
        found = f"{address!r}, which cannot be read into a file ({error})"
        raise ContractError(Fault(where, found, "a name and a size that the disk takes")) from error
    return path


class S3Bucket:
    """The objects of the bucket of an address, listed and copied. Several threads may use it at once.

    Raises ContractError that names the setting `where` for what is no address or cannot be read, and
    DependencyError if botocore is missing.
    """

    def __init__(self, address: str, environ: Mapping[str, str], *, where: str) -> None:
        self.name, _, self.key = address.removeprefix(SCHEME).partition("/")
        if not address.startswith(SCHEME) or not self.name:
            raise ContractError(Fault(where, repr(address), "s3://bucket/prefix"))
        self._where = where
        self._client, self._errors = _client(Reader(environ), where, address)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix, in their order; not those of empty folders."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        try:
            for page in pages:
                for entry in page.get("Contents") or []:
                    if not entry["Key"].endswith("/"):
                        yield entry["Key"]
        except self._errors as error:
            raise self._refusal(prefix, error) from error

    def copy(self, key: str, path: Path) -> None:
        """Copy an object into a file; raises OSError if the disk does not take it."""
        with path.open("wb") as file:
            for chunk in self._chunks(key):
                file.write(chunk)

    def _chunks(self, key: str) -> Iterator[bytes]:
        try:
            yield from _read(self._client, self._errors, self.name, key)
        except self._errors as error:
            raise self._refusal(key, error) from error

    def _refusal(self, key: str, error: Exception) -> ContractError:
        action = "Check the address, the region, the endpoint and the job's permissions."
        found = f"{SCHEME + self.name + '/' + key!r}, which cannot be read ({error})"
        return ContractError(Fault(self._where, found, "an object that exists", action))


def _read(client: typing.Any, errors: tuple[type[Exception], ...], bucket: str, key: str) -> Iterator[bytes]:
    """Yield an object in pieces; a connection that breaks off is taken up again where it broke.

    botocore asks again for a request that failed, but not for the rest of a body.
    """
    response = client.get_object(Bucket=bucket, Key=key)
    same = {"Bucket": bucket, "Key": key, **({"IfMatch": response["ETag"]} if "ETag" in response else {})}
    position = broken = 0
    while True:
        try:
            for chunk in response["Body"].iter_chunks(_CHUNK):
                position += len(chunk)
                broken = 0
                yield chunk
            return
        except errors:
            broken += 1
            if broken >= _ATTEMPTS or not position:
                raise
        response = client.get_object(**same, Range=f"bytes={position}-")


class S3Prefix:
    """An address `s3://bucket/prefix` that files are copied to.

    Raises ContractError that names the setting `where` for another address, and DependencyError if
    botocore is missing.
    """

    def __init__(self, address: str, environ: Mapping[str, str], *, where: str) -> None:
        self._bucket, _, self._prefix = address.removeprefix(SCHEME).strip("/").partition("/")
        if not address.startswith(SCHEME) or not self._bucket:
            raise ContractError(Fault(where, repr(address), "s3://bucket/prefix"))
        self._client, self._errors = _client(Reader(environ), where, address)

    def put(self, file: Path, name: str, *, part: int = _PART) -> None:
        """Copy a file to a name below the prefix; raises OSError with the store's reason if it fails."""
        key = f"{self._prefix}/{name}".lstrip("/")
        size = file.stat().st_size
        try:
            with file.open("rb") as body:
                if size <= part:
                    self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
                else:
                    self.put_parts(key, body, max(part, -(-size // _MAX_PARTS)))
        except self._errors as error:
            raise OSError(str(error)) from error

    def put_parts(self, key: str, body: typing.BinaryIO, part: int) -> None:
        """Copy a file in parts of some bytes; if one fails, the store forgets the others."""
        target = {"Bucket": self._bucket, "Key": key}
        target["UploadId"] = self._client.create_multipart_upload(**target)["UploadId"]
        try:
            parts: list[dict[str, typing.Any]] = []
            while chunk := body.read(part):
                number = len(parts) + 1
                sent = self._client.upload_part(**target, PartNumber=number, Body=chunk)
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            self._client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(*self._errors):  # S3 keeps, and bills, what nobody has finished
                self._client.abort_multipart_upload(**target)
            raise


def bundled() -> Path:
    """Return the folder in which our images have a botocore that no program of the user's sees."""
    return Path(sys.prefix, "share/mlberth/aws")


def _import_botocore(where: str, address: str) -> None:
    """Import botocore: the installed one, else that of our images; raises DependencyError without either."""
    try:
        import botocore.session  # noqa: F401 - an extra that few jobs have
    except ImportError as error:
        if bundled().is_dir() and str(bundled()) not in sys.path:
            # Last: what the user has installed of its requirements stays what it is. The user's program has a
            # path of its own.
            sys.path.append(str(bundled()))
            return _import_botocore(where, address)
        found = f"{address!r}, and no botocore in this image"
        action = 'Run: pip install "mlberth[aws]"'
        raise DependencyError(Fault(where, found, "botocore, for S3", action)) from error


def _client(reader: Reader, where: str, address: str) -> tuple[typing.Any, tuple[type[Exception], ...]]:
    """Return an S3 client and the errors that it raises."""
    _import_botocore(where, address)
    from botocore.config import Config  # it is there now
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import get_session

    config = Config(
        connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"max_attempts": _ATTEMPTS}
    )
    region, endpoint = reader.get(REGION) or None, reader.get(ENDPOINT) or None
    # ValueError: an endpoint that is no URL, and text that no path and no URL can have.
    errors = (BotoCoreError, ClientError, OSError, ValueError)
    try:
        client = get_session().create_client("s3", region_name=region, endpoint_url=endpoint, config=config)
    except errors as error:
        found = f"{address!r}, while no client can be made ({error})"
        expected = f"a region in {REGION.name} and a URL in {ENDPOINT.name}, if they are set"
        raise ContractError(Fault(where, found, expected)) from error
    return client, errors
