"""The operations of SageMaker, one file for each resource: plain functions of a platform and a request."""
