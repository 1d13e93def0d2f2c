"""Objects of S3, or of a store that speaks its API, read and written with botocore (extra `aws`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mlberth._typing import Any
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


def download(address: str, folder: Path, environ: Mapping[str, str], *, where: str) -> Path:
    """Copy the object at `s3://bucket/key` into a folder under its own name; return its path.

    Credentials are botocore's own business. Raises ContractError that names the setting `where` for
    an object that cannot be read, and DependencyError where botocore is missing.
    """
    bucket, _, key = address.removeprefix(SCHEME).partition("/")
    name = PurePosixPath(key).name
    if not bucket or not name or key.endswith("/"):
        raise ContractError(Fault(where, repr(address), "s3://bucket/key of one object"))
    client, errors = _client(Reader(environ), where, address)
    path = folder / name
    try:
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with path.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK):
                file.write(chunk)
    except errors as error:
        action = "Check the address, the region, the endpoint and the job's permissions."
        found = f"{address!r}, which cannot be read ({error})"
        raise ContractError(Fault(where, found, "an object that exists", action)) from error
    return path


class S3Prefix:
    """A place `s3://bucket/prefix` that files are copied to.

    Raises ContractError that names the setting `where` for another address, and DependencyError where
    botocore is missing.
    """

    def __init__(self, address: str, environ: Mapping[str, str], *, where: str) -> None:
        self._bucket, _, self._prefix = address.removeprefix(SCHEME).strip("/").partition("/")
        if not address.startswith(SCHEME) or not self._bucket:
            raise ContractError(Fault(where, repr(address), "s3://bucket/prefix"))
        self._client, self._errors = _client(Reader(environ), where, address)

    def put(self, file: Path, name: str) -> None:
        """Copy a file to a name below the prefix; raises OSError with the store's reason where it fails."""
        key = f"{self._prefix}/{name}".lstrip("/")
        try:
            with file.open("rb") as body:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        except self._errors as error:
            raise OSError(str(error)) from error


def _client(reader: Reader, where: str, address: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """Return an S3 client and the errors that it raises."""
    try:
        from botocore.config import Config  # noqa: PLC0415 - an extra that few jobs have
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415
    except ImportError as error:
        found = f"{address!r}, and no botocore in this image"
        action = 'Run: pip install "mlberth[aws]"'
        raise DependencyError(Fault(where, found, "botocore, for S3", action)) from error
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
        expected = f"a region in {REGION.name} and a URL in {ENDPOINT.name}, where they are set"
        raise ContractError(Fault(where, found, expected)) from error
    return client, errors
