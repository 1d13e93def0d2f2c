"""Operations on buckets."""

from __future__ import annotations

import os
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.s3 import buckets, records, walk
from mlberth_local.s3.conditions import check_owner
from mlberth_local.s3.names import check_bucket


def list_buckets(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the buckets."""
    prefix = request.get("Prefix") or ""
    found = [name for name in buckets.bucket_names(platform.buckets) if name.startswith(prefix)]
    return {
        "Buckets": [
            {
                "Name": name,
                "CreationDate": (platform.buckets / name).stat().st_mtime,
                "BucketRegion": platform.region,
            }
            for name in found
        ],
        "Owner": {"ID": "mlberth", "DisplayName": "mlberth"},
    }


def create_bucket(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make a bucket; one that is there already is an error, as it is outside of us-east-1."""
    check_bucket(request["Bucket"])
    try:
        (platform.buckets / request["Bucket"]).mkdir(parents=True)
    except FileExistsError as error:
        if platform.region == "us-east-1":  # the old region's old habit
            return {"Location": f"/{request['Bucket']}"}
        text = "Your previous request to create the named bucket succeeded and you already own it."
        raise ServiceError("BucketAlreadyOwnedByYou", text, HTTPStatus.CONFLICT) from error
    return {"Location": f"/{request['Bucket']}"}


def head_bucket(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Say whether a bucket is there."""
    check_owner(platform, request)
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    return {"BucketRegion": platform.region}


def delete_bucket(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a bucket without objects."""
    check_owner(platform, request)
    with buckets.lock():
        folder = buckets.bucket_folder(platform.buckets, request["Bucket"])
        if next(walk.keys(platform.buckets, request["Bucket"]), None) is not None:
            raise _not_empty()
        try:
            for path, _, _ in os.walk(folder, topdown=False):
                Path(path).rmdir()
        except OSError as error:  # there is something that is no object, as a link to a folder
            raise _not_empty() from error
        for beside in (records.FOLDER, buckets.ODD):
            shutil.rmtree(platform.buckets / beside / request["Bucket"], ignore_errors=True)
    return {}


def _not_empty() -> ServiceError:
    text = "The bucket you tried to delete is not empty"
    return ServiceError("BucketNotEmpty", text, HTTPStatus.CONFLICT)


def get_bucket_location(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the region; S3's oldest has no name."""
    check_owner(platform, request)
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    return {"LocationConstraint": "" if platform.region == "us-east-1" else platform.region}


def get_bucket_versioning(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Say that objects have one version."""
    check_owner(platform, request)
    buckets.bucket_folder(platform.buckets, request["Bucket"])
    return {}
