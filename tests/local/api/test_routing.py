"""Tests of how a request's operation is found."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from mlberth_local.api.routing import find_route
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest

SIGNED = "AWS4-HMAC-SHA256 Credential=k/20261128/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
COPY = {"x-amz-copy-source": "a/b"}
PART = "partNumber=1&uploadId=u"


def route(method: str, path: str, query: str = "", **headers: str) -> tuple[str, str, dict[str, str]]:
    """Return service, operation and path parameters of a request."""
    names = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    found = find_route(HttpRequest(method, path, query, names), {})
    return found.service, found.operation, dict(found.path_parameters)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation"),
    [
        ("GET", "/", "", {}, "ListBuckets"),
        ("GET", "/b", "", {}, "ListObjects"),
        ("GET", "/b/", "list-type=2", {}, "ListObjectsV2"),
        ("GET", "/b", "location", {}, "GetBucketLocation"),
        ("HEAD", "/b", "", {}, "HeadBucket"),
        ("PUT", "/b", "", {}, "CreateBucket"),
        ("PUT", "/b/k", "", {}, "PutObject"),
        ("PUT", "/b/k", "", COPY, "CopyObject"),
        ("PUT", "/b/k", PART, {}, "UploadPart"),
        ("PUT", "/b/k", PART, COPY, "UploadPartCopy"),
        ("POST", "/b/k", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/b/k", "uploadId=u", {}, "AbortMultipartUpload"),
        ("GET", "/b/k", "uploadId=u", {}, "ListParts"),
        ("GET", "/b/k", "tagging", {}, "GetObjectTagging"),
        ("GET", "/b/endpoints/e/invocations", "", {}, "GetObject"),
        ("POST", "/b", "delete", {}, "DeleteObjects"),
    ],
)
def test_operations_of_s3(
    method: str, path: str, query: str, headers: dict[str, str], operation: str
) -> None:
    found = route(method, path, query, **{name.replace("-", "_"): value for name, value in headers.items()})
    assert found[:2] == ("s3", operation)


def test_a_key_keeps_its_slashes_and_dots() -> None:
    assert route("GET", "/b/a%2Fb/../c//d")[2] == {"Bucket": "b", "Key": "a/b/../c//d"}
    assert route("GET", "/b/k", Host="s3.localhost:8500")[2] == {"Bucket": "b", "Key": "k"}
    assert route("GET", "/k", Host="b.localhost:8500")[2] == {"Bucket": "b", "Key": "k"}
    assert route("GET", "/k", Host="b.s3.eu-west-1.amazonaws.com:8500")[2] == {"Bucket": "b", "Key": "k"}


def test_targets_scopes_and_paths_name_other_services() -> None:
    assert route("POST", "/", X_Amz_Target="SageMaker.ListModels")[:2] == ("sagemaker", "ListModels")
    assert route("POST", "/", X_Amz_Target="Logs_20140328.GetLogEvents")[0] == "logs"
    invocation = ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e"})
    assert route("POST", "/endpoints/e/invocations") == invocation
    assert route("POST", "/endpoints/e/invocations", Authorization=SIGNED.format("sagemaker")) == invocation
    # A bucket may have any name.
    assert route("GET", "/endpoints/e/invocations", Authorization=SIGNED.format("s3"))[1] == "GetObject"


def test_the_query_protocol_names_its_operation_in_the_form() -> None:
    headers = CIMultiDict({"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    request = HttpRequest("POST", "/", "", headers)
    form = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    found = find_route(request, form)
    assert (found.service, found.operation, found.protocol) == ("sts", "GetCallerIdentity", "query")
    with pytest.raises(ServiceError, match="InvalidAction: Could not find operation Invented"):
        find_route(request, {**form, "Action": "Invented"})


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X_Amz_Target": "SageMaker.Invented"}, "The service sagemaker has no operation 'Invented'"),
        ({"X_Amz_Target": "DynamoDB_20120810.ListTables"}, "no service 'DynamoDB_20120810'.*sagemaker, "),
        ({"Authorization": SIGNED.format("lambda")}, "no service 'lambda' here; there are sagemaker, "),
        ({"smithy_protocol": "rpc-v2-cbor"}, "rpc-v2-cbor is not spoken"),
    ],
)
def test_operations_that_nobody_has(headers: dict[str, str], words: str) -> None:
    with pytest.raises(ServiceError, match=words) as caught:
        route("POST", "/", **headers)
    assert caught.value.code == "UnknownOperationException"
