"""Another S3 behind the platform: its address, and a client with the credentials of `up`'s environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mlberth.errors import ContractError, Fault

FLAG = "--s3-endpoint"


def checked_address(given: str) -> str:
    """Return the address of another S3, without a slash at its end. Raises `ContractError`."""
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        shown = given if not parts.username else "an address with a user's name"
        raise ContractError(Fault(FLAG, shown, "an address such as https://s3.example.com:9000"))
    return given.rstrip("/")


def open_session(region: str, environ: Mapping[str, str]) -> Any:
    """Return a botocore session of the region, with the credentials and files that the environment names."""
    import botocore.session

    session = botocore.session.Session()
    session.set_config_variable("region", region)
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        session.set_credentials(key, secret, environ.get("AWS_SESSION_TOKEN"))
    return session


def open_client(address: str, region: str, environ: Mapping[str, str]) -> Any:
    """Return a botocore client of the other S3."""
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}, max_pool_connections=32)
    return open_session(region, environ).create_client("s3", endpoint_url=address, config=config)
