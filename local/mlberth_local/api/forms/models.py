"""The service models that requests are read by: botocore's own, without their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import botocore.loaders
import botocore.model

SERVICES = (
    "sagemaker",
    "sagemaker-runtime",
    "s3",
    "sts",
    "iam",
    "logs",
    "cloudwatch",
    "ecr",
    "application-autoscaling",
    "sns",
)
"""By botocore's names."""

BY_TARGET = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "AnyScaleFrontendService": "application-autoscaling",
}
"""The service of each prefix of the header X-Amz-Target."""

BY_SCOPE = {
    "sagemaker": ("sagemaker", "sagemaker-runtime"),
    "s3": ("s3",),
    "sts": ("sts",),
    "iam": ("iam",),
    "logs": ("logs",),
    "monitoring": ("cloudwatch",),
    "ecr": ("ecr",),
    "application-autoscaling": ("application-autoscaling",),
    "sns": ("sns",),
}
"""The services whose requests are signed with a name."""

BY_VERSION = {"2011-06-15": "sts", "2010-05-08": "iam", "2010-08-01": "cloudwatch", "2010-03-31": "sns"}
"""The service of each version of the query protocol, for requests without a signature."""


@lru_cache
def service_model(service: str) -> Any:
    """Return the `botocore.model.ServiceModel` of a service.

    Only botocore's own folder is read: a user's `~/.aws/models` is for clients.
    """
    folder = botocore.loaders.Loader.BUILTIN_DATA_PATH
    loader = botocore.loaders.Loader(extra_search_paths=[folder], include_default_search_paths=False)
    return botocore.model.ServiceModel(
        _without_documentation(loader.load_service_model(service, "service-2")), service
    )


def _without_documentation(node: Any) -> Any:
    """Leave out the documentation: most of a model's memory."""
    if isinstance(node, Mapping):
        return {
            key: _without_documentation(value)
            for key, value in node.items()
            if not (key == "documentation" and isinstance(value, str))
        }
    return node


def is_known(service: str, operation: str) -> bool:
    """Whether the service itself has the operation, whether or not it is carried out here."""
    return operation in service_model(service).operation_names
