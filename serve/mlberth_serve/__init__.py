"""The `serve` command: nginx and gunicorn under one supervisor, and what runs in gunicorn's workers."""

from __future__ import annotations

from mlberth_serve.handler.batched import batched

__all__ = ["batched"]
