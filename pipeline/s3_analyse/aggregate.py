"""Clusters summed to villages, districts and regencies; the city beside the regency.

Missing stays missing: a unit with a cluster whose count was not published has no sum, and a unit
without a published cluster has no row value, not a zero.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

_COUNTS = ("firms_count", "workers_count")


def total(values: pd.Series) -> object:
    """Sum counts; missing if there are none or any is missing.

    Examples
    --------
    >>> int(total(pd.Series([2, 3], dtype="Int64")))
    5
    >>> total(pd.Series([2, None], dtype="Int64"))
    <NA>
    """
    return pd.NA if values.empty or values.isna().any() else values.sum()


def join_ids(cells: Iterable[object]) -> object:
    """Return the distinct source ids of several cells, in order of first mention.

    Examples
    --------
    >>> join_ids(["a; b", "b; c"])
    'a; b; c'
    """
    seen = {
        part.strip(): None
        for cell in cells
        if not pd.isna(cell)  # type: ignore[call-overload]
        for part in str(cell).split(";")
        if part.strip()
    }
    return "; ".join(seen) if seen else pd.NA


def _periods(years: pd.Series) -> object:
    known = sorted({int(year) for year in years.dropna()})
    if not known:
        return pd.NA
    return str(known[0]) if len(known) == 1 else f"{known[0]}–{known[-1]}"


def totals(units: pd.DataFrame, clusters: pd.DataFrame, code: str) -> pd.DataFrame:
    """Sum clusters to units.

    Parameters
    ----------
    units : pandas.DataFrame
        One row a unit: its code, ``regency_code`` (or the code itself) and ``area_km2``.
    clusters : pandas.DataFrame
        Placed clusters: the same code column, ``regency_code``, ``firms_count``,
        ``workers_count``, ``year``, ``source_ids``. Clusters without the code (known only to a
        larger unit) are not in the sums of the smaller ones.
    code : str
        ``village_code``, ``district_code`` or ``regency_code``.

    Returns
    -------
    pandas.DataFrame
        One row a unit, in the order of `units`: ``clusters_count``, ``firms_count``,
        ``workers_count``, ``workers_per_firm``, shares of the regency's published clusters (%),
        densities per km2, ``period``, ``source_ids``, ``status``.
    """
    placed = clusters[clusters[code].notna()]
    groups = dict(iter(placed.groupby(code)))
    none = placed.iloc[:0]
    rows = []
    for unit in units[code]:
        part = groups.get(unit, none)
        rows.append(
            {
                code: unit,
                "clusters_count": len(part),
                **{count: total(part[count]) for count in _COUNTS},
                "period": _periods(part["year"]),
                "source_ids": join_ids(part["source_ids"]),
            }
        )
    table = pd.DataFrame(rows).astype(
        {code: "string", "clusters_count": "Int64", "period": "string", "source_ids": "string"}
        | dict.fromkeys(_COUNTS, "Int64")
    )
    regency = units[code].str[:5].reset_index(drop=True)
    area = units["area_km2"].astype("Float64").reset_index(drop=True)
    firms, workers = (table[count].astype("Float64") for count in _COUNTS)
    table["workers_per_firm"] = (workers / firms).where(firms > 0)
    for count, share in zip(_COUNTS, ("firms_share_pct", "workers_share_pct"), strict=True):
        whole = {name: total(part[count]) for name, part in clusters.groupby("regency_code")}
        reference = regency.map(whole).astype("Float64")
        table[share] = (100 * table[count].astype("Float64") / reference).where(reference > 0)
    table["firms_per_km2"] = firms / area
    table["workers_per_km2"] = workers / area
    table["status"] = pd.Series("computed", index=table.index, dtype="string")
    return table


def firm_totals(units: pd.DataFrame, firms: pd.DataFrame, code: str) -> pd.DataFrame:
    """Sum the firms of a register to units.

    A unit without a firm in the register has no value: whether there are none or the register
    does not reach there, the register does not say.

    Parameters
    ----------
    units : pandas.DataFrame
        One row a unit: its code and ``area_km2``.
    firms : pandas.DataFrame
        Placed firms: the same code column, ``regency_code``, numbers of workers, ``year``,
        ``source_ids``, ``status``. Firms without the code (known only to a larger unit) are not in
        the sums of the smaller ones.
    code : str
        ``village_code`` or ``district_code``.

    Returns
    -------
    pandas.DataFrame
        One row a unit, in the order of `units`. Workers are summed over the firms that state them
        (missing if none does), the others are counted in ``firms_without_workers_count``;
        ``workers_per_firm`` is over those that state them; shares are of all firms known to lie in
        the regency, in per cent.

    Examples
    --------
    >>> units = pd.DataFrame({"district_code": ["11.01.01", "11.01.02"], "area_km2": [2, 1]})
    >>> whole = lambda *values: pd.array(values, dtype="Int64")
    >>> firms = pd.DataFrame({
    ...     "district_code": ["11.01.01"] * 2, "regency_code": "11.01", "year": whole(2020, 2021),
    ...     "workers_count": whole(4, None), "workers_male_count": whole(1, None),
    ...     "workers_female_count": whole(3, None), "source_ids": "register",
    ...     "status": "register"})
    >>> table = firm_totals(units, firms, "district_code")
    >>> table[["firms_count", "workers_count", "firms_without_workers_count", "period"]].values[0]
    array([2, 4, 1, '2020–2021'], dtype=object)
    >>> bool(table["firms_count"].isna()[1])
    True
    """
    placed = firms[firms[code].notna()]
    groups = placed.groupby(code, sort=True)
    counts = [name for name in placed if str(name).startswith("workers_")]
    table = pd.DataFrame({"firms_count": groups.size()}).join(groups[counts].sum(min_count=1))
    stated = groups["workers_count"].count()
    table["firms_without_workers_count"] = table["firms_count"] - stated
    table["period"] = groups["year"].apply(_periods)
    table["source_ids"] = groups["source_ids"].apply(lambda cells: join_ids(cells.unique()))
    table["status"] = groups["status"].first()
    table["stated"] = stated
    table = table.reindex(pd.Index(units[code], name=code)).reset_index()
    regency = table[code].str[:5]
    area = units["area_km2"].astype("Float64").reset_index(drop=True)
    wholes = {
        "firms": firms.groupby("regency_code").size(),
        "workers": firms.groupby("regency_code")["workers_count"].sum(min_count=1),
    }
    for kind, whole in wholes.items():
        count = table[f"{kind}_count"].astype("Float64")
        reference = regency.map(whole).astype("Float64")
        table[f"{kind}_share_pct"] = (100 * count / reference).where(reference > 0)
        table[f"{kind}_per_km2"] = count / area
    workers, stating = table["workers_count"].astype("Float64"), table["stated"].astype("Float64")
    table["workers_per_firm"] = (workers / stating).where(stating > 0)
    whole_numbers = ["firms_count", "firms_without_workers_count", *counts]
    text = [code, "period", "source_ids", "status"]
    return table.drop(columns="stated").astype(
        dict.fromkeys(whole_numbers, "Int64") | dict.fromkeys(text, "string")
    )


def comparison(
    facts: pd.DataFrame, clusters: pd.DataFrame, regencies: pd.DataFrame
) -> pd.DataFrame:
    """Put the published totals of each city and regency beside the sums of their clusters.

    Parameters
    ----------
    facts : pandas.DataFrame
        The facts table; rows of the topics ``city_total`` and ``regency_total`` are taken.
    clusters : pandas.DataFrame
        Placed clusters.
    regencies : pandas.DataFrame
        ``regency_code``, ``regency_name``.

    Returns
    -------
    pandas.DataFrame
        ``place_name, metric, value, unit, period, status, note, source_ids``; published rows as
        printed, computed rows marked so, nothing reconciled.
    """
    columns = ["place_name", "metric", "value", "unit", "period", "status", "note", "source_ids"]
    published = facts[facts["topic"].isin(["city_total", "regency_total"])].copy()
    published["metric"] = published["metric"].where(
        published["category"].isna(), published["metric"] + " (" + published["category"] + ")"
    )
    published["status"] = "published"
    published = published[published["value"].notna()]
    computed = []
    for code, name in zip(regencies["regency_code"], regencies["regency_name"], strict=True):
        part = clusters[clusters["regency_code"] == code]
        for count, metric, unit in (
            ("firms_count", "firms in published clusters", "units"),
            ("workers_count", "workers in published clusters", "persons"),
        ):
            value = total(part[count])
            if pd.isna(value):  # type: ignore[call-overload]
                continue
            computed.append(
                {
                    "place_name": name,
                    "metric": metric,
                    "value": float(str(value)),
                    "unit": unit,
                    "period": _periods(part["year"]),
                    "status": "computed",
                    "note": f"sum of {len(part)} clusters",
                    "source_ids": join_ids(part["source_ids"]),
                }
            )
    both = pd.concat([published[columns], pd.DataFrame(computed, columns=columns)])
    dtypes = dict.fromkeys(columns, "string") | {"value": "Float64"}
    return (
        both.astype(dtypes)
        .sort_values(["place_name", "metric", "period"], kind="stable")
        .reset_index(drop=True)
    )
