"""A server of S3's API on this machine, and a client of it: moto, as its package has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "us-east-1"


@dataclass(frozen=True)
class ObjectStore:
    """One server with the bucket `bucket`."""

    url: str

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a job finds it."""
        return {**CREDENTIALS, "S3_ENDPOINT_URL": self.url, "AWS_REGION": REGION}

    def client(self) -> Any:
        """Return a client of boto3."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def read(self, key: str) -> bytes:
        """Return an object of the bucket."""
        body: bytes = self.client().get_object(Bucket="bucket", Key=key)["Body"].read()
        return body


@contextmanager
def serving_objects(address: str = "127.0.0.1") -> Iterator[ObjectStore]:
    """Serve an empty bucket on an address of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=address, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        store = ObjectStore(f"http://{host}:{port}")
        # What moto holds is one for the whole process.
        urlopen(Request(f"{store.url}/moto-api/reset", method="POST"), timeout=10).close()
        store.client().create_bucket(Bucket="bucket")
        yield store
    finally:
        server.stop()
