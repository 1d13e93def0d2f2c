"""The small services beside SageMaker and S3 that clients ask: STS, IAM, Logs, CloudWatch and ECR."""
