"""The engines that requests can be rendered for."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth_local.render.kubernetes import renderer as kubernetes
from mlberth_local.render.rendering import Renderer

ENGINES: Mapping[str, Renderer] = {"kubernetes": kubernetes.render}
