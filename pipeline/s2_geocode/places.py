"""Published clusters and places to units and points, with precision, method and evidence.

The rule for points: a source that prints coordinates gives the point (``gps``); else the point
is the pole of inaccessibility of the unit the name was matched to (the inside point farthest
from its border). A point inside a former village cannot be told, so such a row has ``village``
precision; a row whose source names only a kecamatan has ``district`` precision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.area import Decision
from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.errors import Fault, InputError
from pipeline.s2_geocode import names
from pipeline.s2_geocode.gazetteer import Gazetteer
from pipeline.s2_geocode.match import Match, match_place

_TOLERANCE_M = 5.0


def inner_points(units: gpd.GeoDataFrame, code: str, crs: CRS) -> dict[str, shapely.Point]:
    """Return the pole of inaccessibility of each unit, by its code, in EPSG:4326.

    Parameters
    ----------
    units : geopandas.GeoDataFrame
        Polygons in EPSG:4326.
    code : str
        Column of their codes.
    crs : pyproj.CRS
        Projected CRS (metres) the points are found in.

    References
    ----------
    Garcia-Castellanos, D. & Lombardo, U. (2007). Poles of inaccessibility. Scottish Geographical
    Journal 123:227-233.
    """
    shapes = units.geometry.to_crs(crs)
    radii = shapely.maximum_inscribed_circle(shapes.to_numpy(), tolerance=_TOLERANCE_M)
    centres = gpd.GeoSeries(shapely.get_point(radii, 0), crs=crs).to_crs(GEOGRAPHIC)
    return dict(zip(units[code], centres, strict=True))


def locate(
    table: pd.DataFrame,
    gazetteer: Gazetteer,
    village: gpd.GeoDataFrame,
    district: gpd.GeoDataFrame,
    crs: CRS,
    where: str,
    decisions: Mapping[str, Decision] | None = None,
) -> gpd.GeoDataFrame:
    """Match every row of a published table to a village or district and give it a point.

    Parameters
    ----------
    table : pandas.DataFrame
        ``place_name``, ``district_name``, ``regency_name`` (any may be missing), optionally
        ``longitude_deg`` and ``latitude_deg``.
    gazetteer : Gazetteer
        Names of the area.
    village, district : geopandas.GeoDataFrame
        Units of stage 1.
    crs : pyproj.CRS
        The area's projected CRS.
    where : str
        How messages name the table.
    decisions : mapping of str to Decision, optional
        Rows, by the identifier in their first column, whose place a person decided.

    Returns
    -------
    geopandas.GeoDataFrame
        The rows with ``village_code``, ``village_name``, ``district_code``, ``regency_code``,
        ``precision``, ``method``, ``score``, ``evidence``, ``candidates`` and a point.

    Raises
    ------
    InputError
        Every row whose kecamatan is not in the area, whose name is in no village, or whose
        kecamatan contradicts its village without a decision; every decision about no row.
    """
    points = inner_points(village, "village_code", crs) | inner_points(
        district, "district_code", crs
    )
    district_codes = {
        (row.district_name, row.regency_name): row.district_code for row in district.itertuples()
    }
    decided = dict(decisions or {})
    rows, faults = [], _decision_faults(decided, table, village)
    for number, row in enumerate(table.to_dict("records"), start=2):
        if _has_coordinates(row):
            rows.append(_from_coordinates(row, village))
            continue
        given = {
            key: None if pd.isna(row.get(key)) else str(row[key])
            for key in ("place_name", "district_name", "regency_name")
        }
        decision = decided.get(str(row[table.columns[0]]))
        if decision and not faults:
            rows.append(_from_decision(decision, village, points))
            continue
        match = match_place(
            gazetteer, given["place_name"] or "", given["district_name"], given["regency_name"]
        )
        faults += _faults(match, given, gazetteer, where, number)
        rows.append(_from_match(match, district_codes, points))
    if faults:
        raise InputError(faults)
    return _joined(table, rows)


def sample_cells(crosstabs: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of cross tables by kecamatan as rows that can be placed; totals left out.

    Parameters
    ----------
    crosstabs : pandas.DataFrame
        The ``crosstabs`` table.
    """
    is_cell = (
        (crosstabs["variable"].str.lower() == "kecamatan")
        & (crosstabs["category"].str.lower() != "total")
        & (crosstabs["group"].str.lower() != "total")
        & crosstabs["count"].notna()
    )
    cells = crosstabs[is_cell].reset_index(drop=True)
    identifier = (cells["table_id"] + "-" + cells["category"] + "-" + cells["group"]).str.lower()
    none = pd.Series(pd.NA, index=cells.index, dtype="string")
    return pd.DataFrame(
        {
            "sample_id": identifier.str.replace(r"[^a-z0-9]+", "-", regex=True).astype("string"),
            "place_name": none,
            "district_name": cells["category"],
            "regency_name": none,
            "group": cells["group"],
            "count": cells["count"],
            "share_pct": cells["share_pct"],
            "note": cells["note"],
            "source_ids": cells["source_ids"],
        }
    )


def _joined(table: pd.DataFrame, rows: Sequence[dict[str, object]]) -> gpd.GeoDataFrame:
    columns = (
        "village_code",
        "village_name",
        "district_code",
        "regency_code",
        "precision",
        "method",
        "score",
        "evidence",
        "candidates",
    )
    located = pd.DataFrame(
        {
            key: pd.Series(
                [row[key] for row in rows], dtype="Float64" if key == "score" else "string"
            )
            for key in columns
        }
    )
    both = pd.concat([table.reset_index(drop=True), located], axis=1)
    return gpd.GeoDataFrame(both, geometry=[row["geometry"] for row in rows], crs=GEOGRAPHIC)


def _from_match(
    match: Match,
    district_codes: Mapping[tuple[str | None, str | None], str],
    points: Mapping[str, shapely.Point],
) -> dict[str, object]:
    district = (
        match.village_code[:8]
        if match.village_code
        else district_codes.get((match.district_name, match.regency_name))
    )
    code = match.village_code or district
    return {
        "village_code": match.village_code,
        "village_name": match.village_name,
        "district_code": district,
        "regency_code": district[:5] if district else None,
        "precision": match.precision,
        "method": match.method,
        "score": match.score,
        "evidence": match.evidence,
        "candidates": match.candidates or None,
        "geometry": points[code] if code else None,
    }


def _has_coordinates(row: Mapping[Any, Any]) -> bool:
    return not (pd.isna(row.get("longitude_deg")) or pd.isna(row.get("latitude_deg")))


def _from_coordinates(row: Mapping[Any, Any], village: gpd.GeoDataFrame) -> dict[str, object]:
    """Join a published point to the polygon it lies in, where the polygons are real."""
    point = shapely.Point(float(str(row["longitude_deg"])), float(str(row["latitude_deg"])))
    found = None
    if (village["boundary_kind"] == "published").all():
        inside = village[village.intersects(point)]
        found = inside.iloc[0] if len(inside) else None
    evidence = "coordinates printed by the source"
    if found is None:
        evidence += "; not joined to a village (outside the area, or boundaries approximate)"
    return {
        "village_code": None if found is None else found["village_code"],
        "village_name": None if found is None else found["village_name"],
        "district_code": None if found is None else found["district_code"],
        "regency_code": None if found is None else found["regency_code"],
        "precision": "gps",
        "method": "coordinates",
        "score": 1.0,
        "evidence": evidence,
        "candidates": None,
        "geometry": point,
    }


def _from_decision(
    decision: Decision, village: gpd.GeoDataFrame, points: Mapping[str, shapely.Point]
) -> dict[str, object]:
    unit = village.set_index("village_code").loc[decision.village_code]
    return {
        "village_code": decision.village_code,
        "village_name": unit["village_name"],
        "district_code": unit["district_code"],
        "regency_code": unit["regency_code"],
        "precision": "village",
        "method": "decision",
        "score": 1.0,
        "evidence": f"decided by a person: {decision.because}",
        "candidates": decision.village_code,
        "geometry": points[decision.village_code],
    }


def _decision_faults(
    decided: Mapping[str, Decision], table: pd.DataFrame, village: gpd.GeoDataFrame
) -> list[Fault]:
    rows = set(table.iloc[:, 0])
    codes = set(village["village_code"])
    faults = [
        Fault("area.yaml", f"an identifier of table {one.table}", repr(key), column="decisions.id")
        for key, one in decided.items()
        if key not in rows
    ]
    return faults + [
        Fault(
            "area.yaml",
            "a village of the gazetteer",
            one.village_code,
            column="decisions.village_code",
        )
        for one in decided.values()
        if one.village_code not in codes
    ]


def _faults(
    match: Match, given: dict[str, str | None], gazetteer: Gazetteer, where: str, number: int
) -> list[Fault]:
    if given["place_name"] and not match.village_code:
        # The kecamatan also answers for a name nobody knows and for one that lies elsewhere.
        match = match_place(gazetteer, given["place_name"])
    if match.method == "unmatched":
        column = "place_name" if given["place_name"] else "district_name"
        return [
            Fault(
                where,
                "a village or kecamatan of the area, under its present or a former name",
                repr(given[column] or ""),
                row=number,
                column=column,
                hint="Correct the name, or add it to aliases.csv or old_names.csv",
            )
        ]
    stated = given["district_name"]
    if (
        match.village_code
        and stated
        and names.fold(stated) != names.fold(match.district_name or "")
    ):
        return [
            Fault(
                where,
                f"the kecamatan of {match.village_name}, which is {match.district_name}",
                repr(stated),
                row=number,
                column="district_name",
                hint="If the source prints it so, keep the row and decide in area.yaml under "
                "'decisions'; otherwise correct it",
            )
        ]
    return []
