"""A new model, first as a shadow, then as a canary that an alarm rolls back: unmodified boto3.

mlberth up --detach && eval "$(mlberth env)"
python examples/guarded_deployment.py

The new model is wrong for some inputs, and fails for others. The shadow shows the first before any client
gets an answer of it; the canary meets the second, its alarm fires, and all traffic is back on the old model.
"""

from __future__ import annotations

import io
import random
import sys
import tarfile
import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

BUCKET, ENDPOINT, ALARM = "guarded", "guarded", "guarded-errors"
ROLE = "arn:aws:iam::000000000000:role/mlberth"
HANDLER = """
def model_fn(model_dir):
    return {table}

def predict_fn(rows, model):
    return [model[sum(row)] for row in rows]
"""
MODELS = {
    "guarded-old": HANDLER.format(table="{i: 10.0 * i for i in range(20)}"),
    # Large ones are cut off, and one is not there at all.
    "guarded-new": HANDLER.format(table="{i: 10.0 * min(i, 8) for i in range(20) if i != 7}"),
}
SECONDS = 180
"""For each of the steps."""


def main() -> int:
    """Deploy, compare, deploy again and roll back; returns 0 if all went as it should."""
    s3, sagemaker, cloudwatch = (boto3.client(name) for name in ("s3", "sagemaker", "cloudwatch"))
    s3.create_bucket(Bucket=BUCKET)
    for name, code in MODELS.items():
        s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive(code))
        container = {"Image": "mlberth-serve:base", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"}
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)

    print("1. The old model serves; the new one gets a copy of each request.")
    sagemaker.create_endpoint_config(
        EndpointConfigName="guarded-shadow",
        ProductionVariants=[variant("guarded-old")],
        ShadowProductionVariants=[variant("guarded-new", name="candidate")],
    )
    sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="guarded-shadow")
    wait(sagemaker)
    failed = sum(not ask(number) for number in range(20))
    print(f"   20 requests, {failed} failed. Compare them: mlberth shadows {ENDPOINT}")

    print("2. The new model as a canary of 50 %, guarded by an alarm.")
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": ENDPOINT},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName="guarded-canary", ProductionVariants=[variant("guarded-new")]
    )
    sagemaker.update_endpoint(
        EndpointName=ENDPOINT,
        EndpointConfigName="guarded-canary",
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {
                    "Type": "CANARY",
                    "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                    "WaitIntervalInSeconds": SECONDS,
                }
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": ALARM}]},
        },
    )
    found = wait(sagemaker, meanwhile=lambda: ask(random.randint(0, 10)))
    print(f"   {found['EndpointStatus']} on {found['EndpointConfigName']}: {found['FailureReason']}")

    failed = sum(not ask(number) for number in range(20))
    print(f"3. 20 requests more, {failed} failed.")
    went_well = found["EndpointConfigName"] == "guarded-shadow" and not failed
    clean_up(s3, sagemaker, cloudwatch)
    return 0 if went_well else 1


def archive(code: str) -> bytes:
    """Return a model's archive that has a handler and nothing else."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(code)
        tar.addfile(member, io.BytesIO(code.encode()))
    return content.getvalue()


def variant(model: str, name: str = "AllTraffic") -> dict[str, Any]:
    """Return a variant with one instance."""
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }


def ask(number: int) -> bool:
    """Return whether a request was answered."""
    runtime = boto3.client("sagemaker-runtime")
    try:
        runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="text/csv", Body=str(number))
    except ClientError as error:
        print(f"   {number}: {error.response['Error']['Code']}")
        return False
    return True


def wait(sagemaker: Any, meanwhile: Any = lambda: None) -> dict[str, Any]:
    """Return the endpoint's description when nothing is being changed any more."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        if found["EndpointStatus"] in ("InService", "Failed"):
            return dict(found)
        meanwhile()
        time.sleep(0.1)
    sys.exit(f"the endpoint is {found['EndpointStatus']} after {SECONDS} s")


def clean_up(s3: Any, sagemaker: Any, cloudwatch: Any) -> None:
    """Remove what was made."""
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=ENDPOINT, WaiterConfig={"Delay": 1})
    cloudwatch.delete_alarms(AlarmNames=[ALARM])
    for config in ("guarded-shadow", "guarded-canary"):
        sagemaker.delete_endpoint_config(EndpointConfigName=config)
    for name in MODELS:
        sagemaker.delete_model(ModelName=name)
        s3.delete_object(Bucket=BUCKET, Key=f"{name}.tar.gz")
    s3.delete_bucket(Bucket=BUCKET)


if __name__ == "__main__":
    sys.exit(main())
