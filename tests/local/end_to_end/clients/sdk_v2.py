"""A notebook's first cells with the SageMaker SDK v2, unmodified; writes what it found as JSON."""

import json
import sys
from pathlib import Path

import sagemaker

session = sagemaker.Session()
bucket = session.default_bucket()
local = Path(sys.argv[1]) / "data.csv"
local.write_text("1,2\n")
sys.stdout.write(
    json.dumps(
        {
            "bucket": bucket,
            "account": session.account_id(),
            "role": sagemaker.get_execution_role(session),
            "uploaded": session.upload_data(str(local), key_prefix="data"),
            "read": session.read_s3_file(bucket, "data/data.csv"),
            "listed": session.list_s3_files(bucket, "data"),
        }
    )
)
