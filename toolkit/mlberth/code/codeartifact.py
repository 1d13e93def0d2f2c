"""AWS CodeArtifact as pip's index, with botocore (extra `aws`).

Source: sagemaker-training-toolkit, which reads the same variable.
"""

from __future__ import annotations

import re

from mlberth.errors import ContractError, DependencyError, Fault

_ARN = re.compile(
    r"arn:[^:]+:codeartifact:(?P<region>[^:]+):(?P<owner>[^:]+):repository/(?P<domain>[^/]+)/(?P<name>[^/]+)"
)


def index_url(arn: str, *, where: str) -> str:
    """Return the address of a repository as an index for pip, with a token that ends with the job's role.

    Credentials and endpoint are botocore's own business. `where` is the setting that errors name. Raises
    ContractError for what is no ARN of a repository, and DependencyError if there is no token.
    """
    match = _ARN.fullmatch(arn)
    if not match:
        expected = "arn:aws:codeartifact:REGION:ACCOUNT:repository/DOMAIN/NAME"
        raise ContractError(Fault(where, repr(arn), expected))
    try:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.session import get_session
    except ImportError as error:
        action = 'Run: pip install "mlberth[aws]"'
        fault = Fault(where, "a repository, and no botocore in this image", "botocore", action)
        raise DependencyError(fault) from error
    domain = {"domain": match["domain"], "domainOwner": match["owner"]}
    try:
        client = get_session().create_client("codeartifact", region_name=match["region"])
        token = client.get_authorization_token(**domain, durationSeconds=0)["authorizationToken"]
        endpoint = client.get_repository_endpoint(**domain, repository=match["name"], format="pypi")
    except (BotoCoreError, ClientError) as error:
        action = "Check the ARN and the job's permissions."
        fault = Fault(where, f"{arn!r}, which gives no token ({error})", "a readable repository", action)
        raise DependencyError(fault) from error
    scheme, _, rest = endpoint["repositoryEndpoint"].partition("://")
    return f"{scheme}://aws:{token}@{rest.rstrip('/')}/simple/"
