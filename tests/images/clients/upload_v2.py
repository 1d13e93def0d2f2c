"""Pack and upload a program as SDK v2 does for a training job: `upload_v2.py ENDPOINT FOLDER SCRIPT`."""

import sys

import boto3
from sagemaker.fw_utils import tar_and_upload_dir

endpoint, folder, script = sys.argv[1:]
session = boto3.Session(region_name="us-east-1")
store = session.resource("s3", endpoint_url=endpoint)
code = tar_and_upload_dir(session, "bucket", "job/source", script, directory=folder, s3_resource=store)
print(code.s3_prefix, code.script_name)  # noqa: T201 - for the test
