"""Stage 1: published tables and boundaries to typed tables. The only file here that writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

import geopandas as gpd

from pipeline.contracts import crs as crs_rules
from pipeline.contracts.area import AreaConfig, load_area
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.provenance import Paths, StageRecord, run_stage, sha256
from pipeline.contracts.reading import read_csv
from pipeline.contracts.tables import AREA_TABLES
from pipeline.s1_sources import boundaries, fetch, published
from pipeline.s1_sources.approximate import approximate_villages

APPROXIMATE = "approximate"


def choose_boundaries(
    area: AreaConfig, folder: Path, sources: pd.DataFrame, named: str | None
) -> list[Path]:
    """Return the boundary files to read; none means approximate cells.

    The order: files the user names (several separated by commas), the file area.yaml names, the
    cache. ``approximate`` asks for approximate cells.
    """
    if named == APPROXIMATE:
        return []
    if named:
        return [Path(part.strip()) for part in named.split(",")]
    if area.boundaries.path:
        return [folder / area.boundaries.path]
    return fetch.cached_files(area, sources, fetch.cache_folder())


def run(paths: Paths, name: str, boundaries_named: str | None = None) -> bool:
    """Run the stage unless its result stands; return whether it ran."""
    area = load_area(paths.areas, name)
    folder = paths.areas / name
    crs = crs_rules.projected(area.crs, str(folder / "area.yaml"))
    sources = read_csv(folder / "sources.csv", "sources")
    files = choose_boundaries(area, folder, sources, boundaries_named)
    plain = [Path(str(path).partition("#")[0]) for path in files]
    for path in plain:
        if not path.is_file():
            raise InputError(Fault(str(path), "a boundary file", "no such file"))
    committed = {"area.yaml": folder / "area.yaml", "sources.csv": folder / "sources.csv"}
    committed |= {f"{key}.csv": path for key, path in published.area_files(folder, area).items()}
    missing = [path for path in committed.values() if not path.is_file()]
    if missing:
        raise InputError(Fault(str(path), "a file of the area", "nothing") for path in missing)
    record = StageRecord(
        paths,
        name,
        "sources",
        inputs={key: sha256(path) for key, path in committed.items()}
        | {f"boundaries/{path.name}": sha256(path) for path in plain},
        parameters={"layers": [str(path).partition("#")[2] for path in files]},
    )

    def work(record: StageRecord) -> None:
        tables = published.read_area(folder, area)
        gazetteer = tables["gazetteer"]
        crs_rules.require_inside(
            crs,
            float(gazetteer["longitude_deg"].mean()),
            float(gazetteer["latitude_deg"].mean()),
            str(folder / "area.yaml"),
        )
        village = _with_polygons(record, area, gazetteer, files, crs)
        _write_units(record, village)
        record.write("neighbours", tables["neighbours"])
        for key in ("sources", "gazetteer", "old_names", "aliases", *AREA_TABLES):
            record.write(key, tables[key])
            record.count(key, len(tables[key]), len(tables[key]))

    return run_stage(record, work)


def _with_polygons(
    record: StageRecord, area: AreaConfig, gazetteer: pd.DataFrame, files: list[Path], crs: Any
) -> gpd.GeoDataFrame:
    """Return the village table in the area's projected CRS."""
    if files:
        where = ", ".join(path.name for path in files)
        read = pd.concat([boundaries.read_polygons(path) for path in files], ignore_index=True)
        kept, outside = boundaries.require_villages(gpd.GeoDataFrame(read), gazetteer, where)
        polygons = boundaries.coverage(kept, crs)
        measured = boundaries.check_areas(polygons, area, where)
        record.count("boundaries", len(read), len(kept), {"outside the area": outside})
        record.notes.append(f"boundaries: {where}; measured km2: {measured}")
        kind = "published"
    else:
        polygons = approximate_villages(gazetteer, crs)
        record.notes.append("boundaries: approximate cells from centroids and areas, for drawing")
        kind = "approximate"
    table = published.villages(gazetteer)
    table["boundary_kind"] = pd.Series(kind, index=table.index, dtype="string")
    return gpd.GeoDataFrame(table, geometry=list(polygons.geometry), crs=crs)


def _write_units(record: StageRecord, village: gpd.GeoDataFrame) -> None:
    district = boundaries.dissolve(
        village, ["district_code", "district_name", "regency_code", "regency_name"]
    )
    regency = boundaries.dissolve(village, ["regency_code", "regency_name"])
    for key, frame in (("village", village), ("district", district), ("regency", regency)):
        record.write(key, frame.to_crs(crs_rules.GEOGRAPHIC))
    record.count("village", len(village), len(village))
