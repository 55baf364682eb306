"""Draw the demonstration register of an area: invented firms, published counts.

Counts and percentages the sources publish are met exactly (by the largest remainder where a
percentage does not give whole firms); everything else follows ``demonstration.yaml`` and is
assumed. Which village each invented firm is in is returned beside the register, for measuring
the geocoder, and stands nowhere in it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xlsxwriter
from numpy.typing import ArrayLike, NDArray

import geopandas as gpd
import shapely
from pyproj import CRS

from pipeline.contracts.area import Decision
from pipeline.contracts.crs import GEOGRAPHIC
from pipeline.contracts.demonstration import CLUSTERS, FILE, AddressKind, Demonstration, Mix
from pipeline.contracts.errors import Fault, InputError
from pipeline.contracts.specialisations import vocabulary
from pipeline.contracts.text import Text, number_text, same, t
from pipeline.s1_sources.messy import Addresses

HEADERS = (
    "No",
    "Nama Usaha",
    "Alamat",
    "Desa/Kelurahan",
    "Kecamatan",
    "Kabupaten/Kota",
    "Jenis Usaha",
    "Teknik",
    "Tenaga Kerja L",
    "Tenaga Kerja P",
    "Jumlah Tenaga Kerja",
    "Produksi",
    "Satuan",
    "Lintang",
    "Bujur",
    "Juragan/Mitra",
    "Izin Titik",
    "Tahun",
    "Keterangan",
)
"""Columns of the register, as such files head them."""
_EPOCH = datetime(1980, 1, 1)
_MONTHS = {"week": 12 / 52, "month": 1.0, "year": 12.0}
_SAYS_NO_DISTRICT = frozenset[AddressKind](
    ["columns", "district typo", "no district", "only name", "wrong district", "ambiguous",
     "district only", "outside"]
)  # fmt: skip
# Words are made of four of these; their number is a prime, see _words. No y and w: j and u are
# written for them in old spelling.
_SYLLABLES = [a + b for a in "bcdfghjklmnprstvz" for b in "aeiou"][:83]


class Synthetic(NamedTuple):
    """A drawn register.

    Attributes
    ----------
    register : pandas.DataFrame
        The columns of :data:`HEADERS`, one row a firm, in no order that tells anything.
    truth : pandas.DataFrame
        ``No``, ``group`` (``clusters`` or a group of the settings), ``origin_id`` (cluster or
        place), ``village_code``, ``specialisation`` (vocabulary ids), ``address_kind``,
        ``is_stray`` (the point lies in a neighbouring village; missing without one); same rows.
    """

    register: pd.DataFrame
    truth: pd.DataFrame


def apportion(total: int, weights: ArrayLike) -> NDArray[np.int64]:
    """Share out a whole number by weights: the largest remainder method (Hamilton).

    Parameters
    ----------
    total : int
        Number to share out, not negative.
    weights : (n,) array_like of float
        Not negative, not all zero.

    Returns
    -------
    (n,) array of int
        Whole parts that sum to `total`; each is its quota rounded down or up. Equal remainders
        go to the earlier ones.

    References
    ----------
    Balinski, M. L. & Young, H. P. (1982). Fair Representation. Yale University Press.

    Examples
    --------
    >>> apportion(674, [82, 18]).tolist(), apportion(2, [1, 1, 1]).tolist()
    ([553, 121], [1, 1, 0])
    """
    share = np.asarray(weights, dtype=float)
    quota = total * share / share.sum()
    # A quota that is whole but for rounding is whole.
    parts = np.floor(quota + 1e-9).astype(np.int64)
    order = np.argsort(parts - quota, kind="stable")
    parts[order[: total - int(parts.sum())]] += 1
    return parts


def synthesize(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    crs: CRS,
    rng: np.random.Generator,
    polygons: gpd.GeoDataFrame | None = None,
    decisions: Sequence[Decision] = (),
) -> Synthetic:
    """Draw a register whose counts are the published ones.

    Parameters
    ----------
    settings : Demonstration
        The area's ``demonstration.yaml``.
    tables : mapping of str to pandas.DataFrame
        ``gazetteer``, ``neighbours``, ``old_names``, ``aliases``, ``clusters``, ``places`` and
        ``facts`` of the area.
    crs : pyproj.CRS
        The area's projected CRS (metres).
    rng : numpy.random.Generator
        Source of all randomness; a fresh one of the same seed draws the same register. Each step
        has a generator of its own, so that for instance polygons change the points alone.
    polygons : geopandas.GeoDataFrame, optional
        ``village_code`` and real polygons. Points are drawn evenly inside them; without them,
        inside the disc of the village's area around its centroid.
    decisions : sequence of Decision, optional
        Clusters and places whose village a person decided (``area.yaml``).

    Returns
    -------
    Synthetic
        The register and the truth.

    Raises
    ------
    InputError
        Facts, clusters or places that are named but not there or without a number, places in no
        village, or shares that the published counts do not leave room for.
    """
    steps = ("firms", "order", "kinds", "workers", "names", "ties", "output", "points", "lines")
    draw = dict(zip(steps, rng.spawn(len(steps)), strict=True))
    frame = _firms(settings, tables, decisions, draw["firms"])
    frame["workers"] = _workers(settings, tables, frame, draw["workers"])
    frame["first"] = _first_kinds(settings, frame, draw["kinds"])
    # From here on rows stand in an order that tells nothing.
    frame = frame.iloc[draw["order"].permutation(len(frame))].reset_index(drop=True)
    frame["second"] = _second_kinds(settings, frame, draw["kinds"])
    frame["technique"] = _techniques(settings, tables, frame, draw["kinds"])
    frame["male"] = _men(settings, tables, frame, draw["workers"])
    frame["name"] = _names(settings, frame, draw["names"])
    frame["principal"] = _principals(settings, tables, crs, frame, draw["ties"])
    amounts, units = _production(settings, frame, draw["output"])
    points = _points(settings, tables, crs, frame, polygons, draw["points"])
    lines = _lines(settings, tables, frame, draw["lines"])
    number = pd.Series(np.arange(1, len(frame) + 1), dtype="Int64")
    kinds = [
        [one for one in pair if one] for pair in zip(frame["first"], frame["second"], strict=True)
    ]
    spelled = [
        ", ".join(_pick(settings.specialisations[one].spellings, draw["kinds"]) for one in pair)
        for pair in kinds
    ]
    values: dict[str, Any] = {
        "No": number,
        "Nama Usaha": frame["name"],
        "Jenis Usaha": spelled,
        "Teknik": [one.capitalize() if one else None for one in frame["technique"]],
        "Tenaga Kerja L": frame["male"],
        "Tenaga Kerja P": frame["workers"] - frame["male"],
        "Jumlah Tenaga Kerja": frame["workers"],
        "Produksi": amounts,
        "Satuan": units,
        "Juragan/Mitra": frame["principal"],
        "Tahun": frame["year"],
        "Keterangan": [settings.row_note] * len(frame),
    }
    values |= {name: lines[name] for name in HEADERS[2:6]}
    values |= {name: points[name] for name in ("Lintang", "Bujur", "Izin Titik")}
    whole = ("No", *HEADERS[8:12], "Tahun")
    types = dict.fromkeys(HEADERS, "string") | dict.fromkeys(whole, "Int64")
    types |= {"Lintang": "Float64", "Bujur": "Float64"}
    register = pd.DataFrame(
        {name: pd.Series(list(values[name]), dtype=types[name]) for name in HEADERS}
    )
    truth = pd.DataFrame(
        {
            "No": number,
            "group": frame["group"].astype("string"),
            "origin_id": frame["origin"].astype("string"),
            "village_code": frame["village"].astype("string"),
            "specialisation": pd.Series(["; ".join(pair) for pair in kinds], dtype="string"),
            "address_kind": lines["kind"].astype("string"),
            "is_stray": points["is_stray"].astype("boolean"),
        }
    )
    return Synthetic(register, truth)


def _pick(items: Sequence[str], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]


def _where(place: str) -> str:
    return f"{FILE}: {place}"


def _some(pool: NDArray[np.int64], pct: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a share of a pool of positions."""
    return rng.choice(pool, int(apportion(len(pool), [pct, 100 - pct])[0]), replace=False)


# Published numbers ------------------------------------------------------------------------------


def _rows(table: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a table by their key."""
    return {str(row[key]): {str(k): v for k, v in row.items()} for row in table.to_dict("records")}


def _fact(tables: Mapping[str, pd.DataFrame], fact_id: str) -> dict[str, Any]:
    """Return the row of a published figure that has a value."""
    row = _rows(tables["facts"], "fact_id").get(fact_id)
    if row is None or pd.isna(row["value"]):
        found = "no such row" if row is None else "no value"
        raise InputError(Fault(_where(fact_id), "a row of tables/facts.csv with a value", found))
    return row


def _count(tables: Mapping[str, pd.DataFrame], fact_id: str) -> int:
    value = float(_fact(tables, fact_id)["value"])
    if value < 0 or not value.is_integer():
        raise InputError(Fault(_where(fact_id), "a number of firms", f"{value:g}"))
    return int(value)


def _percentage(tables: Mapping[str, pd.DataFrame], fact_id: str) -> float:
    value = float(_fact(tables, fact_id)["value"])
    if not 0 <= value <= 100:
        raise InputError(Fault(_where(fact_id), "a percentage", f"{value:g}"))
    return value


def _published(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the clusters whose number of firms is published."""
    clusters = tables["clusters"]
    return clusters[clusters["firms_count"].notna()]


def _year(period: object) -> int | None:
    text = str(period)
    return int(text) if len(text) == 4 and text.isdecimal() else None


def _firms(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    decisions: Sequence[Decision],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Put the published number of firms in the villages of each cluster and place."""
    sites: list[tuple[Any, ...]] = []
    decided = {(one.table, one.id): one.village_code for one in decisions}
    clusters, places = _published(tables), _rows(tables["places"], "place_id")
    unknown = sorted(set(settings.clusters.mixes) - set(clusters["cluster_id"]))
    named = {place.place_id for group in settings.groups.values() for place in group.places}
    unknown += sorted(named - set(places))
    if unknown:
        wanted = "a cluster with a number of firms, or a place, of the area's tables"
        raise InputError(Fault(_where(one), wanted, "no such row") for one in unknown)

    def spread(group: str, table: str, origin: str, row: Any, mix: str, year: Any, n: int) -> None:
        given = decided.get((table, origin))
        villages = [given] if given else _villages(tables, row, origin)
        weights = settings.spreading.ratio ** np.arange(len(villages))
        order = rng.permutation(len(villages))
        place = "" if pd.isna(row["place_name"]) else str(row["place_name"])
        for at, count in zip(order, apportion(n, weights), strict=True):
            sites.append((group, origin, place, villages[at], mix, year, int(count)))

    for cluster_id, row in _rows(clusters, "cluster_id").items():
        mix = settings.clusters.mixes.get(cluster_id, settings.clusters.mix)
        year = None if pd.isna(row["year"]) else int(row["year"])
        spread(CLUSTERS, "clusters", cluster_id, row, mix, year, int(row["firms_count"]))
    for name, group in settings.groups.items():
        year = _year(_fact(tables, group.fact_id)["period"])
        weights = [place.weight for place in group.places]
        counts = apportion(_count(tables, group.fact_id), weights)
        for place, count in zip(group.places, counts, strict=True):
            row = places[place.place_id]
            spread(name, "places", place.place_id, row, place.mix, year, int(count))
    columns = ["group", "origin", "place", "village", "mix", "year", "count"]
    frame = pd.DataFrame(sites, columns=columns).astype({"year": "Int64"})
    return frame.loc[frame.index.repeat(frame["count"]), columns[:-1]].reset_index(drop=True)


def _villages(tables: Mapping[str, pd.DataFrame], row: Mapping[str, Any], origin: str) -> list[str]:
    """Return the village a published row names, or all of the kecamatan it names alone."""
    gazetteer, old, alias = tables["gazetteer"], tables["old_names"], tables["aliases"]
    inside = gazetteer["district_name"] == row["district_name"]
    if not pd.isna(row["regency_name"]):
        inside &= gazetteer["regency_name"] == row["regency_name"]
    codes = set(gazetteer.loc[inside, "village_code"])
    place = row["place_name"]
    is_whole = pd.isna(place) or place == f"Kecamatan {row['district_name']}"
    if is_whole:
        found = codes
    else:
        found = next(
            filter(
                None,
                (
                    codes & set(gazetteer.loc[gazetteer["village_name"] == place, "village_code"]),
                    codes & set(old.loc[old["old_name"] == place, "village_code"]),
                    codes & set(alias.loc[alias["alias"] == place, "code"].dropna()),
                ),
            ),
            set(),
        )
    if not found or (len(found) > 1 and not is_whole):
        raise InputError(
            Fault(
                _where(origin),
                f"one village called {place!r} in kecamatan {row['district_name']}",
                f"{len(found)}",
                hint="Name its village under 'decisions' in area.yaml",
            )
        )
    return sorted(found)


# Firms ------------------------------------------------------------------------------------------


def _workers(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    frame: pd.DataFrame,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Share the workers of each cluster and group out to its firms, at least one each."""
    totals: dict[tuple[str, str], int] = {}
    for cluster_id, row in _rows(_published(tables), "cluster_id").items():
        if not pd.isna(row["workers_count"]):
            totals[CLUSTERS, cluster_id] = int(row["workers_count"])
        elif (mean := settings.clusters.workers_per_firm) is not None:
            totals[CLUSTERS, cluster_id] = round(mean.value * int(row["firms_count"]))
        else:
            wanted = "clusters.workers_per_firm, as its workers are not published"
            raise InputError(Fault(_where(cluster_id), wanted, "nothing"))
    for name, group in settings.groups.items():
        count = _count(tables, group.fact_id)
        totals[name, ""] = round(group.workers_per_firm.value * count)
    is_cluster = (frame["group"] == CLUSTERS).to_numpy()
    unit = np.where(is_cluster, frame["origin"], "")
    workers = np.zeros(len(frame), dtype=np.int64)
    for (group_name, origin), total in totals.items():
        mine = np.flatnonzero((frame["group"] == group_name).to_numpy() & (unit == origin))
        if total < len(mine):
            wanted = f"at least one worker for each of {len(mine)} firms"
            raise InputError(Fault(_where(origin or group_name), wanted, str(total)))
        if len(mine):
            weights = rng.lognormal(sigma=settings.sizes.sigma, size=len(mine))
            workers[mine] = 1 + apportion(total - len(mine), weights)
    return workers


def _first_kinds(
    settings: Demonstration, frame: pd.DataFrame, rng: np.random.Generator
) -> NDArray[Any]:
    """Give every firm its first specialisation: the shares of the mix hold in every place."""
    kinds = np.empty(len(frame), dtype=object)
    for _, mine in sorted(frame.groupby(["group", "origin"]).indices.items()):
        shares = settings.mixes[frame["mix"].iloc[mine[0]]].shares_pct
        counts = apportion(len(mine), list(shares.values()))
        kinds[rng.permutation(mine)] = np.repeat(np.array(list(shares), dtype=object), counts)
    return kinds


def _others(mix: Mix, first: str) -> dict[str, float]:
    """Return what may stand beside a first specialisation: none that implies a technique."""
    return {
        name: pct
        for name, pct in mix.shares_pct.items()
        if name != first and pct > 0 and not vocabulary()[name].techniques
    }


def _second_kinds(
    settings: Demonstration, frame: pd.DataFrame, rng: np.random.Generator
) -> list[str]:
    """Give some firms a second specialisation of their mix."""
    others = [
        _others(settings.mixes[mix], first)
        for mix, first in zip(frame["mix"], frame["first"], strict=True)
    ]
    second = [""] * len(frame)
    pool = np.array([at for at, found in enumerate(others) if found], dtype=np.int64)
    for at in _some(pool, settings.second.pct, rng):
        shares = np.array(list(others[at].values()))
        second[at] = list(others[at])[int(rng.choice(len(shares), p=shares / shares.sum()))]
    return second


def _techniques(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    frame: pd.DataFrame,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """Give techniques so that in each group the published share has the first technique."""
    first, other = settings.technique.first, settings.technique.other
    pct = _percentage(tables, settings.technique.published.fact_id)
    implied = np.array([_implied(settings, kind) for kind in frame["first"]], dtype=object)
    technique = implied.copy()
    for name, mine in sorted(frame.groupby("group").indices.items()):
        mine = mine[implied[mine] != ""]
        free = mine[implied[mine] == None]  # noqa: E711
        wanted = int(apportion(len(mine), [pct, 100 - pct])[0])
        count = wanted - int((implied[mine] == first).sum())
        if not 0 <= count <= len(free):
            raise InputError(
                Fault(
                    _where(f"mixes of {name}"),
                    f"{wanted} of {len(mine)} firms that can make {first} ({pct:g} %)",
                    f"{len(free)} whose specialisation leaves the technique open",
                )
            )
        technique[free] = other
        technique[rng.choice(free, count, replace=False)] = first
    return technique


def _implied(settings: Demonstration, kind: str) -> str | None:
    """Return the technique a specialisation implies, nothing where it has none, None if open."""
    if not settings.specialisations[kind].has_technique:
        return ""
    return next(iter(vocabulary()[kind].techniques), None)


def _men(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    frame: pd.DataFrame,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw the men among the workers: the published share in each group, jobs at random."""
    pct = _percentage(tables, settings.male.fact_id)
    men = np.zeros(len(frame), dtype=np.int64)
    for _, mine in sorted(frame.groupby("group").indices.items()):
        workers = frame["workers"].to_numpy()[mine]
        count = int(apportion(int(workers.sum()), [pct, 100 - pct])[0])
        men[mine] = rng.multivariate_hypergeometric(workers, count)
    return men


def _words(count: int, rng: np.random.Generator) -> list[str]:
    """Return invented words of four syllables, any two of which share at most one in its place.

    With p syllables, p a prime, the word (a, b, a + b, a + 2b) is a codeword of a Reed-Solomon
    code: two that agree in two places are the same. So no two names are near each other, and
    none is taken for a probable duplicate.
    """
    base = len(_SYLLABLES)
    if count > base * base:
        raise InputError(Fault(FILE, f"at most {base * base} firms", str(count)))
    a, b = np.divmod(rng.permutation(base * base)[:count], base)
    parts = np.stack([a, b, (a + b) % base, (a + 2 * b) % base], axis=1)
    return ["".join(_SYLLABLES[at] for at in row).capitalize() for row in parts]


def _names(settings: Demonstration, frame: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    words = _words(len(frame), rng)
    return [
        f"{settings.specialisations[kind].firm} {word}"
        for kind, word in zip(frame["first"], words, strict=True)
    ]


def _principals(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    crs: CRS,
    frame: pd.DataFrame,
    rng: np.random.Generator,
) -> list[str | None]:
    """Give subcontractors the name of a principal: larger and nearer ones draw more."""
    kinds = settings.specialisations
    rules = settings.subcontracting
    givers = np.flatnonzero([kinds[kind].gives_work for kind in frame["first"]])
    workers = frame["workers"].to_numpy()
    largest = givers[np.argsort(-workers[givers], kind="stable")]
    count = int(apportion(len(givers), [rules.principals.pct, 100 - rules.principals.pct])[0])
    chosen = largest[:count]
    principal: list[str | None] = [None] * len(frame)
    if not count:
        return principal
    centre = _centroids(tables["gazetteer"], crs)
    at = np.array([centre[code] for code in frame["village"]])
    rest = np.setdiff1d(np.arange(len(frame)), chosen)
    for kind in sorted(kinds):
        pool = rest[(frame["first"] == kind).to_numpy()[rest]]
        if not len(pool):
            continue
        for one in _some(pool, kinds[kind].subcontractors_pct, rng):
            distance = np.hypot(*(at[chosen] - at[one]).T) / 1000
            pull = workers[chosen] * np.exp(-distance / rules.distance_km.value)
            principal[one] = str(frame["name"].iloc[rng.choice(chosen, p=pull / pull.sum())])
    return principal


def _production(
    settings: Demonstration, frame: pd.DataFrame, rng: np.random.Generator
) -> tuple[list[int | None], list[str | None]]:
    """Draw production and the unit and period it is stated in."""
    rules = settings.production
    kinds = [settings.specialisations[kind] for kind in frame["first"]]
    spread = rng.lognormal(sigma=rules.spread.value, size=len(frame))
    silent = set(_some(np.arange(len(frame)), rules.missing.pct, rng).tolist())
    amounts: list[int | None] = [None] * len(frame)
    units: list[str | None] = [None] * len(frame)
    pieces = {"kodi": rules.pieces_per_kodi, "potong": 1, "meter": 1}
    for unit, ways in sorted(rules.written.items()):
        stating = [at for at, kind in enumerate(kinds) if kind.unit == unit and at not in silent]
        counts = apportion(len(stating), [way.pct for way in ways])
        chosen = np.repeat(np.arange(len(ways)), counts)
        for at, number in zip(rng.permutation(stating), chosen, strict=True):
            way = ways[number]
            month = kinds[at].production_month * frame["workers"].iloc[at] * spread[at]
            stated = month * _MONTHS[way.period] * pieces[unit] / pieces[way.unit]
            amounts[at], units[at] = max(1, round(stated)), way.text
    return amounts, units


# Places -----------------------------------------------------------------------------------------


def _centroids(gazetteer: pd.DataFrame, crs: CRS) -> dict[str, tuple[float, float]]:
    points = gpd.GeoSeries.from_xy(
        gazetteer["longitude_deg"], gazetteer["latitude_deg"], crs=GEOGRAPHIC
    ).to_crs(crs)
    return {
        code: (point.x, point.y)
        for code, point in zip(gazetteer["village_code"], points, strict=True)
    }


def _points(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    crs: CRS,
    frame: pd.DataFrame,
    polygons: gpd.GeoDataFrame | None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw points for some firms, a few of them in a neighbouring village, and consent."""
    located = _some(np.arange(len(frame)), settings.points.located.pct, rng)
    agreed = set(_some(located, settings.points.consent.pct, rng).tolist())
    pairs = tables["neighbours"][["village_code_a", "village_code_b"]].to_numpy().tolist()
    beside: dict[str, list[str]] = {}
    for a, b in sorted(pairs):
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    village = frame["village"].to_list()
    stray = [at for at in _some(located, settings.points.stray.pct, rng) if village[at] in beside]
    for at in stray:
        village[at] = _pick(sorted(beside[village[at]]), rng)
    shapes = _shapes(tables["gazetteer"], crs, polygons)
    drawn = [_inside(shapes[village[at]], rng) for at in located]
    xy = np.array(drawn, dtype=float).reshape(-1, 2)
    degrees = gpd.GeoSeries.from_xy(*xy.T, crs=crs).to_crs(GEOGRAPHIC)
    table = pd.DataFrame(
        {
            "Lintang": degrees.y.round(6).to_numpy(),
            "Bujur": degrees.x.round(6).to_numpy(),
            "Izin Titik": ["ya" if at in agreed else "tidak" for at in located],
            "is_stray": np.isin(located, stray),
        },
        index=located,
    )
    return table.reindex(frame.index)


def _shapes(
    gazetteer: pd.DataFrame, crs: CRS, polygons: gpd.GeoDataFrame | None
) -> dict[str, shapely.Geometry]:
    """Return what points of each village are drawn in, in the projected CRS."""
    if polygons is not None:
        shapes = polygons.geometry.to_crs(crs)
        return dict(zip(polygons["village_code"], shapes, strict=True))
    centre = _centroids(gazetteer, crs)
    radii = np.sqrt(gazetteer["area_km2"].to_numpy(dtype=float) * 1e6 / np.pi)
    return {
        code: shapely.Point(centre[code]).buffer(radius)
        for code, radius in zip(gazetteer["village_code"], radii, strict=True)
    }


def _inside(shape: shapely.Geometry, rng: np.random.Generator) -> tuple[float, float]:
    """Draw a point of a polygon, every part of its area alike."""
    low_x, low_y, high_x, high_y = shape.bounds
    while True:
        x, y = rng.uniform(low_x, high_x), rng.uniform(low_y, high_y)
        if shapely.contains_xy(shape, x, y):
            return x, y


def _lines(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    frame: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Write the address of every firm and what stands in columns of its own."""
    rules = settings.addresses
    writer = Addresses(
        tables["gazetteer"], tables["old_names"], tables["aliases"], rules.region, rng
    )
    kinds = _address_kinds(settings, writer, frame, rng)
    former = set(tables["old_names"]["old_name"])
    rows: list[tuple[str | None, ...]] = []
    for kind, code, place in zip(kinds, frame["village"], frame["place"], strict=True):
        village = writer.by_code[code]
        if kind == "columns":
            use_old = place in former and writer.chance(rules.former_stated.pct / 100)
            name = place if use_old else village["village_name"]
            columns = (name, village["district_name"], village["regency_name"])
            rows.append((", ".join(writer.front()) or None, *columns))
        else:
            subject = writer.pick(writer.subjects(kind, code, place))
            rows.append((writer.compose(kind, subject), None, None, None))
    table = pd.DataFrame(rows, columns=HEADERS[2:6])
    table["kind"] = kinds
    right = np.array(
        [at for at, kind in enumerate(kinds) if kind not in _SAYS_NO_DISTRICT], dtype=np.int64
    )
    stated = _some(right, rules.district_stated.pct, rng)
    districts = [writer.by_code[frame["village"].iloc[at]]["district_name"] for at in stated]
    table.loc[stated, "Kecamatan"] = districts
    return table


def _address_kinds(
    settings: Demonstration, writer: Addresses, frame: pd.DataFrame, rng: np.random.Generator
) -> list[AddressKind]:
    """Give every firm a kind of address that suits its village; the rarest kinds choose first."""
    shares = settings.addresses.kinds_pct
    counts = dict(zip(shares, apportion(len(frame), list(shares.values())), strict=True))
    pairs = list(zip(frame["village"], frame["place"], strict=True))
    suited = {
        kind: np.array(
            [kind == "columns" or bool(writer.subjects(kind, *pair)) for pair in pairs], dtype=bool
        )
        for kind in shares
    }
    kinds: list[AddressKind] = ["plain"] * len(frame)
    free = np.ones(len(frame), dtype=bool)
    for kind in sorted(shares, key=lambda one: (int(suited[one].sum()), one)):
        pool = np.flatnonzero(free & suited[kind])
        for at in rng.choice(pool, min(int(counts[kind]), len(pool)), replace=False):
            kinds[at], free[at] = kind, False
    return kinds


# What is told -----------------------------------------------------------------------------------


def demonstration_notes(
    settings: Demonstration,
    tables: Mapping[str, pd.DataFrame],
    *,
    has_polygons: bool | None = None,
) -> list[Text]:
    """Return what stands behind the register, line by line: first published, then assumed.

    Parameters
    ----------
    settings : Demonstration
        The area's ``demonstration.yaml``.
    tables : mapping of str to pandas.DataFrame
        ``clusters`` and ``facts`` of the area.
    has_polygons : bool, optional
        Whether points were drawn in real polygons; both ways are told if not given.

    Returns
    -------
    list of Text
        The warning, the published numbers with their sources, every assumption with its reason.

    Raises
    ------
    InputError
        A fact that is named but not there.
    """
    clusters = _published(tables)
    sources = sorted({one for cell in clusters["source_ids"] for one in str(cell).split("; ")})
    notes = [
        settings.warning,
        t(
            "demonstration.clusters",
            clusters=number_text(len(clusters), 0),
            firms=number_text(float(clusters["firms_count"].sum()), 0),
            workers=number_text(float(clusters["workers_count"].sum()), 0),
            sources="; ".join(sources),
        ),
    ]
    named = [(group.fact_id, group.because) for group in settings.groups.values()]
    named += [(one.fact_id, one.because) for one in (settings.technique.published, settings.male)]
    for fact_id, because in named:
        fact = _fact(tables, fact_id)
        value = float(fact["value"])
        notes.append(
            t(
                "demonstration.fact",
                place=fact["place_name"],
                metric=fact["metric"],
                value=number_text(value, 0 if value.is_integer() else 2),
                unit=fact["unit"],
                period=fact["period"],
                sources=fact["source_ids"],
                because=because,
            )
        )
    notes += [
        t("demonstration.assumed", what=what, because=because)
        for what, because in _assumptions(settings)
    ]
    how = "either" if has_polygons is None else "polygons" if has_polygons else "discs"
    return [*notes, t(f"demonstration.points_{how}")]


def _assumptions(settings: Demonstration) -> list[tuple[Text, Text]]:
    """Return every assumption: what with its numbers, and why."""

    def told(key: str, number: float, because: Text, decimals: int = 0) -> tuple[Text, Text]:
        return t(f"demonstration.{key}", n=number_text(number, decimals)), because

    def shares(values: Mapping[str, float]) -> Text:
        parts = [(_label(name), number_text(pct, 0)) for name, pct in values.items() if pct]
        return Text(
            id=", ".join(f"{label.id} {pct.id} %" for label, pct in parts),
            en=", ".join(f"{label.en} {pct.en} %" for label, pct in parts),
        )

    found = [
        (t("demonstration.mix", name=name, shares=shares(mix.shares_pct)), mix.because)
        for name, mix in settings.mixes.items()
    ]
    found += [
        (
            t(
                "demonstration.specialisation",
                name=_label(name),
                subcontractors=number_text(one.subcontractors_pct, 0),
                production=number_text(one.production_month, 1),
                unit=one.unit,
            ),
            one.because,
        )
        for name, one in settings.specialisations.items()
    ]
    means = [(CLUSTERS, settings.clusters.workers_per_firm)]
    means += [(name, group.workers_per_firm) for name, group in settings.groups.items()]
    found += [
        (t("demonstration.workers", name=name, n=number_text(mean.value, 1)), mean.because)
        for name, mean in means
        if mean is not None
    ]
    points, lines = settings.points, settings.addresses
    ties, output = settings.subcontracting, settings.production
    kinds = ", ".join(f"{kind} {pct:g} %" for kind, pct in lines.kinds_pct.items())
    return [
        *found,
        told("second", settings.second.pct, settings.second.because),
        told("spreading", settings.spreading.ratio, settings.spreading.because, 2),
        told("sizes", settings.sizes.sigma, settings.sizes.because, 2),
        told("principals", ties.principals.pct, ties.principals.because),
        told("distance", ties.distance_km.value, ties.distance_km.because, 1),
        told("missing", output.missing.pct, output.missing.because),
        told("spread", output.spread.value, output.spread.because, 2),
        (t("demonstration.written"), output.because),
        told("located", points.located.pct, points.located.because),
        told("stray", points.stray.pct, points.stray.because),
        told("consent", points.consent.pct, points.consent.because),
        (t("demonstration.addresses", kinds=same(kinds)), lines.because),
        told("former", lines.former_stated.pct, lines.former_stated.because),
        told("district", lines.district_stated.pct, lines.district_stated.because),
    ]


def _label(name: str) -> Text:
    return vocabulary()[name].label


def workbook_bytes(register: pd.DataFrame, notes: Sequence[Text]) -> bytes:
    """Return the register as an Excel workbook; the same register gives the same bytes.

    Parameters
    ----------
    register : pandas.DataFrame
        As :func:`synthesize` draws it.
    notes : sequence of Text
        As :func:`demonstration_notes` tells them; the first is the warning.

    Returns
    -------
    bytes
        An xlsx file: the register on the first sheet; on the second, in both languages, that it
        is synthetic, what in it is published and what is assumed.
    """
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties({"created": _EPOCH, "title": notes[0].en, "comments": notes[0].id})
    bold = book.add_format({"bold": True, "bottom": 1})
    loud = book.add_format(
        {"bold": True, "font_size": 16, "font_color": "#b00020", "text_wrap": True, "valign": "top"}
    )
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    sheet = book.add_worksheet("Register")
    sheet.freeze_panes(1, 2)
    cells = register.astype("object").where(register.notna(), None).to_numpy().tolist()
    for column, header in enumerate(register.columns):
        sheet.write_string(0, column, str(header), bold)
        longest = max(
            (len(str(row[column])) for row in cells if row[column] is not None), default=0
        )
        sheet.set_column(column, column, min(60, max(len(str(header)), longest)) + 2)
    for number, row in enumerate(cells, start=1):
        for column, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(number, column, value)
            elif value is not None:
                sheet.write_number(number, column, value)
    about = book.add_worksheet("SINTETIS")
    about.set_tab_color("#b00020")
    about.set_column(0, 1, 90)
    for number, note in enumerate(notes):
        style = loud if number == 0 else wrap
        about.write_string(number, 0, note.id, style)
        about.write_string(number, 1, note.en, style)
    book.close()
    return buffer.getvalue()
