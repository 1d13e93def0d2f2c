"""The `serve` command: nginx and gunicorn under one supervisor, and what runs in gunicorn's workers."""
