"""Read a release and resolve it into an :class:`AtlasPlan`: the only reading stage 5 does."""

from __future__ import annotations

import json

from pyproj import CRS

from pipeline.contracts.layer import load_layers
from pipeline.contracts.provenance import Paths, read_manifest, read_table
from pipeline.s5_render.plan import AtlasPlan, plan_atlas


def load_plan(paths: Paths, area: str, build: str) -> AtlasPlan:
    """Return the plan of one build of one area.

    Parameters
    ----------
    paths : Paths
    area : str
    build : str
        ``internal`` or ``public``: the folder under ``stages/release/``.

    Raises
    ------
    InputError
        The release has not been made, or a layer file does not fit it.
    """
    catalogue = load_layers(paths.layers)
    stage = f"release/{build}"
    read_manifest(paths, area, stage)
    about = json.loads((paths.stage(area, stage) / "about.json").read_text(encoding="utf-8"))
    names = {layer.table for layer in catalogue.layers.values()} | {"village", "district"}
    tables = {name: read_table(paths, area, stage, name) for name in sorted(names)}
    sources = read_table(paths, area, stage, "sources")
    return plan_atlas(about, tables, sources, catalogue, CRS.from_user_input(about["area"]["crs"]))
