"""The module that gunicorn imports: the one of a worker that reads os.environ."""

from __future__ import annotations

import os

from mlberth_serve.app.factory import create_app

application = create_app(os.environ)
