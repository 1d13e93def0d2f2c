"""ECR: the images that the table of images names, and a token that no registry asks for."""

from __future__ import annotations

import base64
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.images import table
from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.platform import Platform

TOKEN_SECONDS = 12 * 3600


def get_authorization_token(platform: Platform, _: dict[str, Any]) -> dict[str, Any]:
    """Return a token; images are run from this machine, so nothing checks it."""
    return {
        "authorizationData": [
            {
                "authorizationToken": base64.b64encode(b"AWS:any").decode(),
                "expiresAt": platform.clock() + TOKEN_SECONDS,
                "proxyEndpoint": f"https://{_registry(platform)}",
            }
        ]
    }


def describe_repositories(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the repositories of the table of images."""
    found = _repositories(platform)
    wanted = request.get("repositoryNames")
    for name in wanted or ():
        if name not in found:
            text = (
                f"The repository with name '{name}' does not exist in the registry '{platform.account}'; "
                f"images.json has {', '.join(found) or 'none'}."
            )
            raise ServiceError("RepositoryNotFoundException", text)
    return {"repositories": [_described(platform, name) for name in found if not wanted or name in wanted]}


def _repositories(platform: Platform) -> list[str]:
    names = (image.rpartition("/")[2].partition(":")[0].rstrip("-*") for image in table(platform.home))
    return sorted({name for name in names if name})


def _registry(platform: Platform) -> str:
    return f"{platform.account}.dkr.ecr.{platform.region}.amazonaws.com"


def _described(platform: Platform, name: str) -> dict[str, Any]:
    return {
        "repositoryArn": platform.arn("ecr", f"repository/{name}"),
        "registryId": platform.account,
        "repositoryName": name,
        "repositoryUri": f"{_registry(platform)}/{name}",
        "imageTagMutability": "MUTABLE",
    }


OPERATIONS: dict[str, Operation] = {
    "DescribeRepositories": describe_repositories,
    "GetAuthorizationToken": get_authorization_token,
}
_ONE = "there is one registry"
EXCEPTIONS: dict[str, Exceptions] = {
    "DescribeRepositories": Exceptions(
        without_effect={
            "registryId": _ONE,
            "nextToken": ONE_PAGE,
            "maxResults": ONE_PAGE,
        }
    ),
    "GetAuthorizationToken": Exceptions(without_effect={"registryIds": _ONE}),
}
