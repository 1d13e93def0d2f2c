"""What the sample's own gunicorn imports; here SAGEMAKER_SERVING_MODULE names the application."""

import predictor as myapp

app = myapp.app
