"""Village polygons: read what the user or the cache holds, make it a coverage, check, dissolve."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import geopandas as gpd
import pyogrio
import shapely
from pyproj import CRS

from pipeline.contracts.area import AreaConfig
from pipeline.contracts.crs import GEOGRAPHIC, to_geographic
from pipeline.contracts.errors import Fault, InputError

GAP_M = 60.0
SNAP_M = 1.0
GRID_M = 0.1
_CODE = re.compile(r"(\d{2})\.?(\d{2})\.?(\d{2})\.?(\d{4})")
_CODE_COLUMNS = ("village_code", "code", "kode", "kode_desa", "kdepum", "kode_kd", "id_desa")
_NAME_COLUMNS = {
    "village_name": ("village_name", "nama_desa", "nama_kel", "wadmkd", "namobj", "village",
                     "desa", "kelurahan", "nama", "name"),
    "district_name": ("district_name", "nama_kecamatan", "nama_kec", "wadmkc", "district",
                      "kecamatan"),
    "regency_name": ("regency_name", "nama_kabupaten", "nama_kab", "wadmkk", "regency",
                     "kabupaten", "kab_kota"),
}  # fmt: skip
_SQL_ROW = re.compile(
    r"\('(?P<code>[\d.]+)'\s*,\s*'(?P<name>(?:[^'\\]|\\.|'')*)'\s*,"
    r"\s*'?-?[\d.]+'?\s*,\s*'?-?[\d.]+'?\s*,\s*'(?P<path>\[[^']*\])'\s*\)"
)


def read_polygons(path: Path, *, names: bool = False) -> gpd.GeoDataFrame:
    """Read village polygons from a vector file or from the upstream SQL form.

    Parameters
    ----------
    path : Path
        ``.gpkg``, ``.geojson``, ``.shp`` ... with a column of village codes, or ``.sql``. A layer
        of a file with several is named as ``file.gpkg#layer``.
    names : bool
        Whether to read the names the file gives (columns such as ``nama``, ``NAMOBJ``,
        ``WADMKC``; the SQL form names the village alone).

    Returns
    -------
    geopandas.GeoDataFrame
        ``village_code``, ``geometry`` (EPSG:4326), one row a village code; with `names` also
        ``village_name``, ``district_name``, ``regency_name``, missing where the file has none.

    Raises
    ------
    InputError
        Unreadable file, no CRS, no column of village codes, several layers that have one, a code
        given twice, geometries that are not polygons.
    """
    name, _, layer = str(path).partition("#")
    file = Path(name)
    if not file.is_file():
        raise InputError(Fault(name, "a boundary file", "no such file"))
    is_sql = file.suffix.lower() == ".sql"
    frame = _read_sql(file) if is_sql else _read_vector(file, layer or None)
    twice = frame.loc[frame["village_code"].duplicated(), "village_code"].unique()
    faults = [Fault(name, "each village code once", f"{code} again") for code in sorted(twice)]
    kinds = set(frame.geom_type.dropna().unique()) - {"Polygon", "MultiPolygon"}
    if kinds or frame.geometry.isna().any():
        faults.append(Fault(name, "polygons", ", ".join(sorted(kinds)) or "rows without geometry"))
    if faults:
        raise InputError(faults)
    return frame if names else frame[["village_code", "geometry"]]


def _read_sql(file: Path) -> gpd.GeoDataFrame:
    """Read the upstream MySQL dump; its points are [latitude, longitude]."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(Fault(str(file), "UTF-8 SQL", "other bytes")) from error
    codes, names, shapes = [], [], []
    for match in _SQL_ROW.finditer(text):
        try:
            parts = json.loads(match["path"])
            depth = _depth(parts)
            polygons = [parts] if depth == 3 else parts
            shapes.append(shapely.MultiPolygon([_polygon(rings) for rings in polygons]))
        except (ValueError, IndexError, TypeError) as error:
            raise InputError(
                Fault(
                    str(file),
                    "rings of [latitude, longitude]",
                    f"unreadable path: {error}",
                    row=text.count("\n", 0, match.start()) + 1,
                )
            ) from error
        codes.append(_normal_code(match["code"]) or match["code"])
        names.append(re.sub(r"\\(.)|'(')", r"\1\2", match["name"]))
    if not codes:
        raise InputError(
            Fault(str(file), "INSERT INTO ... VALUES rows with code, name, lat, lng, path", "none")
        )
    read = pd.DataFrame({"village_code": codes, "village_name": names})
    return gpd.GeoDataFrame(_with_names(read), geometry=shapes, crs=GEOGRAPHIC)


def _with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return code and names as text, spaces tidied; a name without a letter is none."""
    table = frame[["village_code"]].copy()
    for column in _NAME_COLUMNS:
        given = frame[column] if column in frame else [None] * len(frame)
        table[column] = pd.Series(
            [
                " ".join(text.split())
                if isinstance(text, str) and any(letter.isalpha() for letter in text)
                else None
                for text in given
            ],
            index=table.index,
            dtype="string",
        )
    return table


def _depth(value: object) -> int:
    depth = 0
    while isinstance(value, list):
        value, depth = value[0], depth + 1
    if depth not in (3, 4):
        raise ValueError(f"nested {depth} deep, expected 3 (polygon) or 4 (multipolygon)")
    return depth


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> shapely.Polygon:
    turned = [np.asarray(ring, dtype=float)[:, ::-1] for ring in rings]
    return shapely.Polygon(turned[0], turned[1:])


def _normal_code(text: object) -> str | None:
    match = _CODE.fullmatch(str(text).strip())
    return ".".join(match.groups()) if match else None


def _read_vector(file: Path, layer: str | None) -> gpd.GeoDataFrame:
    where = str(file)
    try:
        layers = [str(row[0]) for row in pyogrio.list_layers(file)]
        wanted = [layer] if layer else layers
        with_codes = [(name, column) for name in wanted if (column := _code_column(file, name))]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InputError(
            Fault(where, "a readable GeoPackage, GeoJSON or Shapefile", str(error).split(";")[0])
        ) from error
    if not with_codes:
        raise InputError(
            Fault(
                where,
                f"a column of village codes ({', '.join(_CODE_COLUMNS)})",
                f"none in layer {', '.join(wanted)}",
            )
        )
    chosen = [pair for pair in with_codes if pair[0] == "village"] or with_codes
    if len(chosen) > 1:
        raise InputError(
            Fault(
                where,
                "one layer with village codes",
                ", ".join(name for name, _ in chosen),
                hint=f"Name the layer: {file.name}#{chosen[0][0]}",
            )
        )
    name, column = chosen[0]
    named = _name_columns(file, name)
    read = pyogrio.read_dataframe(file, layer=name, columns=[column, *named.values()])
    frame = to_geographic(read, where)
    codes = frame[column].map(_normal_code)
    bad = frame.loc[codes.isna(), column]
    if len(bad):
        raise InputError(
            Fault(
                where,
                "village codes such as 33.75.01.1002",
                repr(bad.iloc[0]),
                row=int(bad.index[0]) + 1,
                column=column,
                hint=f"{len(bad)} rows in all",
            )
        )
    table = pd.DataFrame(
        {"village_code": codes} | {ours: frame[theirs] for ours, theirs in named.items()}
    )
    return gpd.GeoDataFrame(_with_names(table), geometry=frame.geometry, crs=frame.crs)


def _name_columns(file: Path, layer: str) -> dict[str, str]:
    """Return the file's columns of names, by ours."""
    fields = _fields(pyogrio.read_info(file, layer=layer))
    found = {
        ours: next((fields[one] for one in theirs if one in fields), None)
        for ours, theirs in _NAME_COLUMNS.items()
    }
    return {ours: theirs for ours, theirs in found.items() if theirs}


def _fields(info: Mapping[str, Any]) -> dict[str, str]:
    return {str(name).lower(): str(name) for name in info["fields"]}


def _code_column(file: Path, layer: str) -> str | None:
    info = pyogrio.read_info(file, layer=layer)
    fields = _fields(info)
    found = next((fields[name] for name in _CODE_COLUMNS if name in fields), None)
    if found is None or info["features"] == 0:
        return None
    first = pyogrio.read_dataframe(
        file, layer=layer, columns=[found], max_features=1, read_geometry=False
    )
    return found if _normal_code(first[found].iloc[0]) else None


def coverage(polygons: gpd.GeoDataFrame, crs: CRS) -> gpd.GeoDataFrame:
    """Make polygons that were simplified one by one a valid coverage: no gap, no overlap.

    Parameters
    ----------
    polygons : geopandas.GeoDataFrame
        ``village_code``, ``geometry`` in EPSG:4326.
    crs : pyproj.CRS
        Projected CRS (metres) the cleaning is done in: gaps up to 60 m are closed, vertices
        within 1 m are joined.

    Returns
    -------
    geopandas.GeoDataFrame
        The same rows, geometries in `crs`.
    """
    projected = polygons.to_crs(crs)
    shapes = projected.geometry.to_numpy().copy()
    # Mending also reorders the vertices of valid polygons, and with them where snapping ends.
    invalid = ~shapely.is_valid(shapes)
    shapes[invalid] = shapely.make_valid(shapes[invalid], method="structure")
    cleaned = shapely.coverage_clean(shapes, snapping_distance=SNAP_M, gap_width=GAP_M)
    return projected.set_geometry(gpd.GeoSeries(cleaned, index=projected.index, crs=crs))


def require_villages(
    polygons: gpd.GeoDataFrame, gazetteer: pd.DataFrame, where: str
) -> tuple[gpd.GeoDataFrame, int]:
    """Keep the polygons of the area's villages; refuse a file that lacks some of them.

    Returns
    -------
    polygons : geopandas.GeoDataFrame
        One row a village of the gazetteer, in its order.
    outside : int
        Polygons of other places, left out.

    Raises
    ------
    InputError
        No village of the area is in the file (a file of another region), or some are missing.
    """
    wanted = list(gazetteer["village_code"])
    found = set(polygons["village_code"])
    missing = [code for code in wanted if code not in found]
    if len(missing) == len(wanted):
        example = sorted(found)[0] if found else "no rows"
        raise InputError(
            Fault(
                where,
                f"villages of this area, such as {wanted[0]}",
                f"{len(found)} other villages, such as {example}",
                hint="This looks like the file of another region",
            )
        )
    if missing:
        shown = ", ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise InputError(
            Fault(
                where,
                f"all {len(wanted)} villages of the gazetteer",
                f"{len(missing)} missing: {shown}",
                hint="Codes change when villages are split or merged; take boundaries of the "
                "gazetteer's vintage",
            )
        )
    kept = polygons.set_index("village_code").loc[wanted].reset_index()
    return kept, len(polygons) - len(kept)


def check_areas(villages: gpd.GeoDataFrame, area: AreaConfig, where: str) -> Mapping[str, float]:
    """Compare the area of each regency with its official figure.

    Parameters
    ----------
    villages : geopandas.GeoDataFrame
        ``village_code`` and polygons in the area's projected CRS.

    Returns
    -------
    mapping
        Regency code to measured area, km2.

    Raises
    ------
    InputError
        A difference above ``boundaries.area_tolerance_pct``.
    """
    measured = (villages.area / 1e6).groupby(villages["village_code"].str[:5]).sum()
    faults = []
    for regency in area.regencies:
        found = float(measured.get(regency.code, 0.0))
        if abs(found / regency.area_km2 - 1) * 100 > area.boundaries.area_tolerance_pct:
            faults.append(
                Fault(
                    where,
                    f"{regency.area_km2:.2f} km2 for {regency.name} "
                    f"({regency.area_source}), within {area.boundaries.area_tolerance_pct:g} %",
                    f"{found:.2f} km2",
                    hint="Another vintage, or a generalised file",
                )
            )
    if faults:
        raise InputError(faults)
    return {code: round(float(value), 2) for code, value in measured.items()}


def dissolve(villages: gpd.GeoDataFrame, by: list[str]) -> gpd.GeoDataFrame:
    """Dissolve villages to the units in `by`; areas are summed, villages counted.

    Parameters
    ----------
    villages : geopandas.GeoDataFrame
        The village table.
    by : list of str
        Columns that name the unit, its code first.
    """
    grouped = villages.groupby(by, sort=True)
    # Approximate cells meet without common vertices, so they are no coverage. On a grid their
    # borders meet; hair-thin slits between them would cross themselves when written in degrees.
    is_coverage = bool(shapely.coverage_is_valid(villages.geometry.to_numpy()))
    gridded = partial(shapely.union_all, grid_size=GRID_M)
    union = shapely.coverage_union_all if is_coverage else gridded
    shapes = {key: union(part.geometry.to_numpy()) for key, part in grouped}
    table = grouped.agg(
        villages_count=("village_code", "size"), area_km2=("area_km2", "sum")
    ).reset_index()
    table["villages_count"] = table["villages_count"].astype("Int64")
    table["area_km2"] = table["area_km2"].round(4)
    table["boundary_kind"] = villages["boundary_kind"].iloc[0]
    table["boundary_kind"] = table["boundary_kind"].astype("string")
    geometry = gpd.GeoSeries(list(shapes.values()), index=table.index, crs=villages.crs)
    return gpd.GeoDataFrame(table, geometry=geometry)
