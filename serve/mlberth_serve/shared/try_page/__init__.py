"""The page to try the model, at `/` (SAGEMAKER_TRY_PAGE): one document, made of three files.

The supervisor writes it for nginx, a worker answers with it if there is no nginx. Imports nothing of ours.
"""
