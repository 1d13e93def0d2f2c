"""Responses, requests, and the application that a framework's serving module makes."""

from __future__ import annotations

from mlberth.compat.web import Request, Response, Worker, default_healthcheck_fn

__all__ = ["Request", "Response", "Worker", "default_healthcheck_fn"]
