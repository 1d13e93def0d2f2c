"""The engines that requests can be rendered for."""

from __future__ import annotations

from collections.abc import Mapping

from mlberth_local.render.kubernetes import renderer as kubernetes
from mlberth_local.render.rendering import Renderer
from mlberth_local.render.slurm import renderer as slurm

ENGINES: Mapping[str, Renderer] = {"kubernetes": kubernetes.render, "slurm": slurm.render}
