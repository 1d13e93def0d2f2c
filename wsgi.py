"""What gunicorn imports. The one module of a worker that reads os.environ."""

from __future__ import annotations

import os

from mlberth_serve.app.factory import load_application

application = load_application(os.environ)
