"""Read a release and resolve it into an :class:`AtlasPlan`: the only reading stage 5 does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pyproj import CRS

from pipeline.contracts.chart import load_charts
from pipeline.contracts.layer import load_layers
from pipeline.contracts.provenance import Paths, read_manifest, read_table
from pipeline.s5_render.chart_plan import ChartPlan, plan_charts
from pipeline.s5_render.plan import AtlasPlan, plan_atlas, short_citation


@dataclass(frozen=True)
class Release:
    """What left the gate: its layers and charts resolved, its tables, what is known about it."""

    plan: AtlasPlan
    tables: Mapping[str, pd.DataFrame]
    about: Mapping[str, Any]
    charts: tuple[ChartPlan, ...] = ()


def read_about(paths: Paths, area: str, build: str) -> dict[str, Any]:
    """Return ``about.json`` of a release.

    Raises
    ------
    InputError
        The release has not been made.
    """
    read_manifest(paths, area, f"release/{build}")
    path = paths.stage(area, f"release/{build}") / "about.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def read_release(paths: Paths, area: str, build: str) -> Release:
    """Return one build of one area, its layers and charts resolved.

    Parameters
    ----------
    paths : Paths
    area : str
    build : str
        ``internal`` or ``public``: the folder under ``stages/release/``.

    Raises
    ------
    InputError
        The release has not been made, or a layer or chart file does not fit it.
    """
    catalogue = load_layers(paths.layers)
    specs = load_charts(paths.layers / "charts")
    about = read_about(paths, area, build)
    stage = f"release/{build}"
    written = read_manifest(paths, area, stage)["outputs"]
    names = sorted(Path(name).stem for name in written if name.endswith(".parquet"))
    tables = {name: read_table(paths, area, stage, name) for name in names}
    drawn = {layer.table for layer in catalogue.layers.values()} | {"village", "district"}
    plan = plan_atlas(
        about,
        {name: tables[name] for name in sorted(drawn & set(tables))},
        tables["sources"],
        catalogue,
        CRS.from_user_input(about["area"]["crs"]),
    )
    cited = {row["source_id"]: short_citation(row) for row in tables["sources"].to_dict("records")}
    charts = plan_charts(specs, tables, cited, catalogue.palettes)
    return Release(plan, tables, about, tuple(charts))


def read_released(paths: Paths, area: str, build: str, table: str) -> pd.DataFrame:
    """Return one table of a release as it is.

    Raises
    ------
    InputError
        The release has not been made or holds no such table.
    """
    frame: pd.DataFrame = read_table(paths, area, f"release/{build}", table)
    return frame


def load_plan(paths: Paths, area: str, build: str) -> AtlasPlan:
    """Return the plan of one build of one area; see :func:`read_release`."""
    return read_release(paths, area, build).plan
