"""A notebook's first cells with the SageMaker SDK v3, unmodified; writes what it found as JSON."""

import json
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer

session = Session()
bucket = session.default_bucket()
local = Path(sys.argv[1]) / "data.csv"
local.write_text("1,2\n")
# It asks IAM whether the role may do what a job needs.
trainer = ModelTrainer(training_image="mlberth-train:base", sagemaker_session=session)
sys.stdout.write(
    json.dumps(
        {
            "bucket": bucket,
            "account": session.account_id(),
            "role": get_execution_role(session),
            "trainer_role": trainer.role,
            "uploaded": session.upload_data(str(local), key_prefix="data"),
            "read": session.read_s3_file(bucket, "data/data.csv"),
        }
    )
)
