"""Stage 1: published tables and boundaries to typed tables. The only file here that writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import geopandas as gpd

from pipeline.contracts import crs as crs_rules
from pipeline.contracts.area import AreaConfig, load_area
from pipeline.contracts.demonstration import FILE as DEMONSTRATION_FILE
from pipeline.contracts.demonstration import load_demonstration
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.provenance import (
    DEMONSTRATION,
    Paths,
    StageRecord,
    run_stage,
    sha256,
    write_bytes,
    write_text,
)
from pipeline.contracts.reading import empty, read_csv
from pipeline.contracts.register import settings_file
from pipeline.contracts.tables import AREA_TABLES
from pipeline.contracts.text import LANGUAGES, t
from pipeline.s1_sources import boundaries, fetch, published
from pipeline.s1_sources.approximate import approximate_villages

APPROXIMATE = "approximate"
PROBLEMS_FILE = "register_problems.csv"


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


def demonstration_register(paths: Paths, name: str) -> Path:
    """Return where the invented register of an area is written."""
    return replace(paths, edition=DEMONSTRATION).product(name) / "register.xlsx"


def run(
    paths: Paths,
    name: str,
    boundaries_named: str | None = None,
    register_file: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> bool:
    """Run the stage unless its result stands; return whether it ran.

    Parameters
    ----------
    paths : Paths
        In the edition ``demonstration`` a register is invented first, and nothing published is
        handed over beside it.
    name : str
        Name of the area.
    boundaries_named : str, optional
        Boundary files, or ``approximate``; see :func:`choose_boundaries`.
    register_file : Path, optional
        A firm register; ``file.xlsx#Sheet`` names a sheet.
    say : callable
        Told what was understood of the register before anything is made of it.

    Raises
    ------
    InputError
        Every fault of a file, the register's among them.
    """
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
    inputs = {key: sha256(path) for key, path in committed.items()}
    inputs |= {f"boundaries/{path.name}": sha256(path) for path in plain}
    is_invented = paths.edition == DEMONSTRATION
    if is_invented:
        load_demonstration(paths.areas, name)  # the file is missing, or has faults
        inputs[DEMONSTRATION_FILE] = sha256(folder / DEMONSTRATION_FILE)
    elif register_file:
        from pipeline.s1_sources.register.read import split_name

        path = split_name(register_file)[0]
        read = [path, settings_file(path)]
        inputs |= {f"register/{one.name}": sha256(one) for one in read if one and one.is_file()}
    register_name = "register.xlsx" if is_invented else register_file and register_file.name
    record = StageRecord(
        paths,
        name,
        "sources",
        inputs=inputs,
        parameters={
            "layers": [str(path).partition("#")[2] for path in files],
            "register": register_name,
        },
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
        named, status = register_file, "register"
        if is_invented:
            named, status = demonstration_register(paths, name), "synthetic"
            tables = _invent(record, named, area, tables, village, crs)
        firms = empty("register")
        if named:
            firms, said = _read_register(record, named, area.crs, status, say)
            tables["sources"] = _with_source(tables["sources"], named.name, status, said)
        record.write("register", firms)
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


def _invent(
    record: StageRecord,
    path: Path,
    area: AreaConfig,
    tables: dict[str, pd.DataFrame],
    village: gpd.GeoDataFrame,
    crs: Any,
) -> dict[str, pd.DataFrame]:
    """Write the invented register; return the area's tables without what was published."""
    from pipeline.s1_sources.synthesize import demonstration_notes, synthesize, workbook_bytes

    settings = load_demonstration(record.paths.areas, area.name)
    polygons = village if (village["boundary_kind"] == "published").all() else None
    drawn = synthesize(
        settings, tables, crs, np.random.default_rng(area.seed), polygons, area.decisions
    )
    notes = demonstration_notes(settings, tables, has_polygons=polygons is not None)
    write_bytes(path, workbook_bytes(drawn.register, notes))
    lines = pd.DataFrame(
        {f"text_{language}": [one[language] for one in notes] for language in LANGUAGES},
        dtype="string",
    )
    lines.insert(0, "list_order", pd.Series(range(1, len(notes) + 1), dtype="Int64"))
    record.write("demonstration_notes", lines)
    kept = {key: frame for key, frame in tables.items() if key not in AREA_TABLES}
    return kept | {key: empty(key) for key in AREA_TABLES}


def _read_register(
    record: StageRecord, named: Path, crs: str, status: str, say: Callable[[str], None]
) -> tuple[pd.DataFrame, str | None]:
    """Return a register's firms and what its settings call it; refuse it if it has errors."""
    from pipeline.s1_sources.register.problems import problems_csv
    from pipeline.s1_sources.register.read import read_register, register_lines

    register = read_register(named, assumed_crs=crs, status=status)
    say("\n".join(register_lines(register)))
    folder = record.paths.product(record.area)
    write_text(folder / PROBLEMS_FILE, problems_csv(register.problems))
    register.require_sound()
    record.write("register_rejected", register.rejected)
    if len(register.personal.columns) > 1:  # the settings keep it; no later stage reads it
        record.write("register_personal", register.personal)
    reasons = register.rejected["reason"].value_counts().sort_index()
    dropped = {str(reason): int(count) for reason, count in reasons.items()}
    record.count("register", register.rows, len(register.firms), dropped)
    record.notes += [
        f"register: {one['column']}: {one['what']} ({one['rows']} rows)"
        for one in register.conversions
    ]
    return register.firms, register.settings.source


def _with_source(sources: pd.DataFrame, file: str, status: str, said: str | None) -> pd.DataFrame:
    """Add the register to the sources, so that figures cite it."""

    def both(key: str) -> str:
        text = t(f"register.{key}")
        return f"{text.id} / {text.en}"

    row = {
        "source_id": "register",
        "kind": "table",
        "file": file,
        "producer": said or both(f"producer.{status}"),
        "citation": f"{said or both(f'citation.{status}')}: {file}",
        "licence": both("licence"),
    }
    added = pd.DataFrame([row]).reindex(columns=sources.columns).astype(sources.dtypes.to_dict())
    return pd.concat([sources, added], ignore_index=True)


def _write_units(record: StageRecord, village: gpd.GeoDataFrame) -> None:
    district = boundaries.dissolve(
        village, ["district_code", "district_name", "regency_code", "regency_name"]
    )
    regency = boundaries.dissolve(village, ["regency_code", "regency_name"])
    for key, frame in (("village", village), ("district", district), ("regency", regency)):
        record.write(key, frame.to_crs(crs_rules.GEOGRAPHIC))
    record.count("village", len(village), len(village))
