"""Put stage tables together as the tables that leave the house, ready to be drawn from."""

from __future__ import annotations

import pandas as pd

import geopandas as gpd

CENTRES = ("batik", "konveksi", "canting", "weaving")
FACILITIES = ("market", "wastewater_plant", "landmark", "support", "supply")
_CENTRE_COLUMNS = [
    "centre_id",
    "centre_name",
    "activity",
    "firms_count",
    "workers_count",
    "count",
    "count_unit",
    "village_name",
    "district_name",
    "regency_name",
    "precision",
    "period",
    "status",
    "note",
    "source_ids",
]


def unit_table(units: gpd.GeoDataFrame, totals: pd.DataFrame, code: str) -> gpd.GeoDataFrame:
    """Join a unit's polygons and its sums, one row a unit, geometry last.

    Parameters
    ----------
    units : geopandas.GeoDataFrame
        Villages, districts or regencies.
    totals : pandas.DataFrame
        Their sums, the same units in any order.
    code : str
        The code column both have.
    """
    joined = units.drop(columns="geometry").merge(totals, on=code, validate="one_to_one")
    return gpd.GeoDataFrame(joined, geometry=units.geometry.to_numpy(), crs=units.crs)


def centres(
    clusters: gpd.GeoDataFrame, places: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """Production centres: clusters with published counts, and centres the sources only name.

    Parameters
    ----------
    clusters, places : geopandas.GeoDataFrame
        Placed clusters and places.

    Returns
    -------
    table : geopandas.GeoDataFrame
        One row a centre.
    dropped : dict
        Named places not drawn again, by reason: a cluster with counts stands in the same unit for
        the same activity, or an earlier row of the table names the same place and activity.
    """
    counted = clusters.copy()
    counted["centre_id"] = counted["cluster_id"]
    counted["centre_name"] = counted["cluster_name"]
    counted["activity"] = pd.Series("batik", index=counted.index, dtype="string")
    counted["period"] = counted["year"].astype("string")
    counted["count"] = pd.Series(pd.NA, index=counted.index, dtype="Float64")
    counted["count_unit"] = pd.Series(pd.NA, index=counted.index, dtype="string")

    named = places[places["activity"].isin(CENTRES)].copy()
    named["centre_id"] = named["place_id"]
    named["centre_name"] = named["name"].fillna(named["place_name"]).fillna(named["district_name"])
    for column in ("firms_count", "workers_count"):
        named[column] = pd.Series(pd.NA, index=named.index, dtype="Int64")
    unit = named["village_code"].fillna(named["district_code"])
    has_cluster = unit.isin(set(counted["village_code"].dropna())) & (named["activity"] == "batik")
    repeated = pd.DataFrame({"unit": unit, "activity": named["activity"]}).duplicated()
    repeated &= ~has_cluster
    kept = named[~has_cluster & ~repeated]
    both = pd.concat([frame[[*_CENTRE_COLUMNS, "geometry"]] for frame in (counted, kept)])
    table = gpd.GeoDataFrame(both.reset_index(drop=True), geometry="geometry", crs=clusters.crs)
    reasons = {
        "a cluster with published counts stands there": int(has_cluster.sum()),
        "an earlier row names the same place and activity": int(repeated.sum()),
    }
    return table, {reason: count for reason, count in reasons.items() if count}


def facilities(places: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Markets, wastewater plants, landmarks and support places, with the name readers know.

    Parameters
    ----------
    places : geopandas.GeoDataFrame
        Placed places.
    """
    table = places[places["activity"].isin(FACILITIES)].copy()
    table["name"] = table["name"].fillna(table["place_name"]).fillna(table["district_name"])
    columns = [
        "place_id",
        "name",
        "activity",
        "count",
        "count_unit",
        "village_name",
        "district_name",
        "regency_name",
        "precision",
        "period",
        "status",
        "note",
        "source_ids",
    ]
    return table[[*columns, "geometry"]].reset_index(drop=True)


def firm_points(firms: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the firms whose own place is known, ready to be drawn as points.

    A firm known to its village or district alone has no place of its own; it is in the sums.

    Parameters
    ----------
    firms : geopandas.GeoDataFrame
        Placed firms.
    """
    columns = [
        "firm_id",
        "firm_name",
        "specialisation",
        "technique",
        "workers_count",
        "village_name",
        "district_name",
        "regency_name",
        "precision",
        "conflict",
        "year",
        "source_ids",
        "status",
    ]
    own = firms["precision"].isin(["gps", "street"]) & firms.geometry.notna()
    return firms.loc[own, [*columns, "geometry"]].reset_index(drop=True)


def samples(crosstabs: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the sample of a survey by kecamatan and group, one row a cell, totals left out.

    Parameters
    ----------
    crosstabs : geopandas.GeoDataFrame
        Placed cells of the cross table by kecamatan.
    """
    columns = ["sample_id", "district_name", "regency_name", "group", "count", "share_pct",
               "precision", "status", "note", "source_ids"]  # fmt: skip
    return crosstabs[[*columns, "geometry"]].reset_index(drop=True)
