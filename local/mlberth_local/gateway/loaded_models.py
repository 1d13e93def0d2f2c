"""The models of multi-model endpoints, as a running gateway has them."""

from __future__ import annotations

from pathlib import Path

from mlberth_local.gateway.base import GatewayError
from mlberth_local.gateway.control_socket import Places, connect
from mlberth_local.gateway.link import Link

_SECONDS = 5.0


def loaded_models(folder: Path) -> dict[str, list[str]]:
    """Return the models that each instance has loaded, by its name; nothing if no gateway answers."""
    try:
        link = Link(connect(Places(folder).control, _SECONDS), lambda _: None, lambda _: None)
    except OSError:
        return {}
    try:
        found: dict[str, list[str]] = link.ask({"do": "models"}, _SECONDS).fields["models"]
    except GatewayError:
        return {}
    finally:
        link.close()
    return found
