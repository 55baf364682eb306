"""Spatial autocorrelation of specialisations and of firms, over villages and around each.

Shares are tested against labels: the firms' specialisations are permuted over all firms, every
unit keeping its number of firms, because units of unequal size are not exchangeable. Other
quantities are permuted over the villages of the register. ``docs/methods-register.md`` says what
each statistic can and cannot say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import comb
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

import geopandas as gpd

from pipeline.contracts.area import Policy
from pipeline.contracts.errors import Fault, InputError, InvalidArgument, TooFewUnits
from pipeline.contracts.reading import empty
from pipeline.s3_analyse.inequality import Bools, Floats, Ints
from pipeline.s3_analyse.positions import FIXED
from pipeline.s3_analyse.specialisation import Kinds, frame, lay_out, read_kinds
from pipeline.stats import autocorrelation as lattice
from pipeline.stats import weights
from pipeline.stats.inference import (
    adjust,
    draw_warnings,
    hypergeometric_p,
    p_from_counts,
    seed_of,
)
from pipeline.stats.weights import W

Text = NDArray[Any]
FEWEST_UNITS = 10
"""Fewest units of a global statistic; four kecamatan have 24 arrangements."""

LABELS = (
    "random labelling: the specialisations of all firms are permuted over the firms, every unit "
    "keeping its number of firms"
)
VILLAGES = "every assignment of the observed values to the units with firms is equally likely"
OWN_LABELS = f"{LABELS}; those of the village's own firms stay"
OWN_VALUE = f"{VILLAGES}; the village's own value stays"

NO_FIRM, FEW_UNIT, FEW_KIND = (
    "no firm of the register in the unit",
    "too few firms in the unit",
    "too few firms of the specialisation",
)
FEW_UNITS, ONE_UNIT, NO_LINK, ALONE, CONSTANT, EVERY, EVERYWHERE, ABSENT, NO_FIGURE = (
    "too few units",
    "all firms in one unit",
    "no unit has a neighbour",
    "no neighbour with firms",
    "the same value in every unit",
    "every firm has the specialisation",
    "the specialisation is in no unit or in every unit",
    "no firm of the specialisation in the unit",
    "no figure for the unit",
)
FEW_ORDERS, FEW_PLACES, KIND_IN_ONE = (
    "too few arrangements for p = 0.05",
    "too few firms with a place of their own",
    "all firms of the specialisation in one unit",
)
_SHARE_STATISTICS = ("moran", "geary", "getis_ord_g")
_TIE = 1e-9
# With more neighbours the sum over their subsets loses precision, and drawing takes its place.
_MOST_NEIGHBOURS = 14
LEVEL = 0.05


class Autocorrelation(NamedTuple):
    """The two tables of :func:`autocorrelation`."""

    overall: pd.DataFrame
    local: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Units:
    """The units with firms at one level, in one part of the area.

    Parameters
    ----------
    level, part : str
    codes : array of str, shape (u,)
    xy : array of float, shape (u, 2)
        Metres.
    links : array of int, shape (l, 2)
        Pairs of units with a common border, each once.
    size : array of int, shape (u,)
        Firms of known specialisation.
    count : array of int, shape (u, m)
        Firms of each specialisation.
    sums : dict of str to array of float, shape (u,)
        ``firms``, ``workers``, ``production`` and ``stating`` (firms that state workers); NaN
        where no firm states them.
    notes : tuple of str
    """

    level: str
    part: str
    codes: Text
    xy: Floats
    links: Ints
    size: Ints
    count: Ints
    sums: dict[str, Floats]
    notes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.codes)

    @property
    def totals(self) -> dict[str, Floats]:
        """The quantities of all firms; none for units without sums."""
        if not self.sums:
            return {}
        with np.errstate(invalid="ignore", divide="ignore"):
            per_firm = self.sums["workers"] / self.sums["stating"]
        own = {name: self.sums[name] for name in ("firms", "workers", "production")}
        return own | {"workers_per_firm": per_firm}

    def only(self, keep: Bools) -> Units:
        """Return the units of `keep`, and the links among them."""
        place = np.cumsum(keep) - 1
        inside = keep[self.links].all(axis=1)
        return replace(
            self,
            codes=self.codes[keep],
            xy=self.xy[keep],
            links=place[self.links[inside]],
            size=self.size[keep],
            count=self.count[keep],
            sums={name: values[keep] for name, values in self.sums.items()},
        )


def autocorrelation(
    firms: pd.DataFrame,
    villages: gpd.GeoDataFrame,
    neighbours: pd.DataFrame,
    crs: str,
    policy: Policy,
    rng: np.random.Generator,
    *,
    local_permutations: int = 99_999,
    variants: bool = True,
) -> Autocorrelation:
    """Return how alike neighbours are in each specialisation, and in firms, workers, production.

    Parameters
    ----------
    firms : geopandas.GeoDataFrame
        Table ``firm``.
    villages : geopandas.GeoDataFrame
        Table ``village``, EPSG:4326.
    neighbours : pandas.DataFrame
        Table ``neighbours``: the main weights.
    crs : str
        Projected CRS in metres.
    policy : Policy
        Minima, draws of global tests, control of families.
    rng : numpy.random.Generator
        Each part draws from a child of its own.
    local_permutations : int
        Draws of the local tests whose p is not exact.
    variants : bool
        Whether the global statistics are also taken with other weights, over districts and
        hexagons, and without each regency.

    Returns
    -------
    Autocorrelation
        Tables ``autocorrelation_global`` and ``autocorrelation_local``. What the data cannot carry
        stands there refused, with its reason; a register without firms gives no rows.

    Raises
    ------
    InputError
        A firm in a village that `villages` does not have, a pair of neighbours likewise, or an
        unknown specialisation.
    """
    if firms.empty:
        return Autocorrelation(empty("autocorrelation_global"), empty("autocorrelation_local"))
    kinds = read_kinds(firms)
    whole = village_units(kinds, firms, villages, neighbours, crs)
    main, local = rng.spawn(2)
    settings: Iterable[tuple[Units, str]] = [(whole, "contiguity")]
    if variants:
        settings = chain(settings, _variants(whole, kinds, villages, crs))
    tables: list[pd.DataFrame] = []
    units = None
    for number, (some, name) in enumerate(settings):
        if some is not units:
            units, drawn = some, _drawn(some, policy, main.spawn(1)[0])
        found = _overall(units, name, kinds, drawn, policy, main.spawn(1)[0])
        tables.append(found.assign(is_main=number == 0))
    overall = pd.concat(tables, ignore_index=True)
    overall["status"] = kinds.status
    return Autocorrelation(
        frame({str(name): overall[name] for name in overall}, "autocorrelation_global"),
        _local(whole, villages, kinds, policy, local_permutations, local),
    )


def village_units(
    kinds: Kinds,
    firms: pd.DataFrame,
    villages: gpd.GeoDataFrame,
    neighbours: pd.DataFrame,
    crs: str,
) -> Units:
    """Return the villages that hold a firm of the register.

    A village without one is left out: whether it has none or the register does not reach it, the
    register does not say.

    Raises
    ------
    InputError
        As :func:`autocorrelation`.
    """
    at = lay_out(kinds, villages, "village", "firms")
    codes = at.codes
    links = np.column_stack(
        [
            pd.Index(codes).get_indexer(neighbours[f"village_code_{side}"].astype(str))
            for side in "ab"
        ]
    )
    lost = np.flatnonzero((links < 0).any(axis=1))
    if lost.size:
        pair = neighbours.iloc[lost[0]]
        raise InputError(
            Fault(
                "table neighbours",
                "villages of the area",
                f"{pair['village_code_a']} and {pair['village_code_b']} ({lost.size} pairs in all)",
            )
        )
    groups = firms[firms["village_code"].notna()].groupby("village_code")
    sums = {
        "firms": groups.size(),
        "workers": groups["workers_count"].sum(min_count=1),
        "stating": groups["workers_count"].count(),
        "production": groups["production_pieces_year"].sum(min_count=1),
    }
    centre = villages.geometry.to_crs(crs).centroid
    units = Units(
        level="village",
        part="all",
        codes=codes,
        xy=np.column_stack([centre.x, centre.y]),
        links=links,
        size=np.bincount(at.unit, minlength=at.units),
        count=at.sums(at.members.astype(np.float64)).astype(np.int64),
        sums={
            name: np.asarray(values.reindex(codes).astype("Float64").fillna(np.nan), np.float64)
            for name, values in sums.items()
        },
    )
    return units.only(units.sums["firms"] > 0)


def _variants(
    whole: Units, kinds: Kinds, villages: gpd.GeoDataFrame, crs: str
) -> Iterator[tuple[Units, str]]:
    """Yield the same statistics' other settings."""
    for name in ("knn_4", "knn_6", "knn_8", "distance_1km", "distance_2km", "distance_3km"):
        yield whole, name
    regency = pd.Series(whole.codes).str[:5].to_numpy()
    if np.unique(regency).size > 1:
        for one in np.unique(regency):
            yield replace(whole.only(regency != one), part=f"without {one}"), "contiguity"
    districts = _districts(whole)
    yield districts, "contiguity"
    yield districts, "knn_4"
    for level, width in (("hexagon_500m", 500.0), ("hexagon_1km", 1000.0)):
        yield _hexagons(kinds, villages, crs, level, width), "contiguity"


def _districts(whole: Units) -> Units:
    codes, where = np.unique(pd.Series(whole.codes).str[:8].to_numpy(), return_inverse=True)
    u = len(codes)

    def sums(values: Any) -> Floats:
        out = np.zeros((u, *values.shape[1:]))
        np.add.at(out, where, values)
        return out

    def stated(values: Floats) -> Floats:
        known = ~np.isnan(values)
        return np.where(sums(known * 1.0) > 0, sums(np.where(known, values, 0.0)), np.nan)

    ends = np.sort(where[whole.links], axis=1).reshape(-1, 2)
    return Units(
        level="district",
        part="all",
        codes=codes,
        xy=sums(whole.xy) / np.bincount(where, minlength=u)[:, None],
        links=np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0),
        size=sums(whole.size * 1.0).astype(np.int64),
        count=sums(whole.count * 1.0).astype(np.int64),
        sums={name: stated(values) for name, values in whole.sums.items()},
    )


_SIDES = np.array([[1, 0], [0, 1], [1, -1]])  # half of the six neighbours of a hexagon


def _hexagons(
    kinds: Kinds, villages: gpd.GeoDataFrame, crs: str, level: str, width: float
) -> Units:
    """Return the hexagons of `width` between sides that hold a firm with a place of its own."""
    own = kinds.firms["precision"].isin(FIXED).to_numpy(dtype=bool)
    points = gpd.GeoSeries(kinds.firms["geometry"][own], crs=villages.crs).to_crs(crs)
    cells = hexagons(np.column_stack([points.x, points.y]), width)
    found, where = np.unique(cells, axis=0, return_inverse=True)
    where = where.reshape(-1)
    u = len(found)
    count = np.zeros((u, len(kinds.names)), dtype=np.int64)
    np.add.at(count, where, kinds.members[own])
    place = {cell: number for number, cell in enumerate(map(tuple, found.tolist()))}
    links = [
        (number, place[tuple(beside)])
        for number, cell in enumerate(found)
        for beside in (cell + _SIDES).tolist()
        if tuple(beside) in place
    ]
    q, r = found.T.astype(np.float64).reshape(2, -1)
    return Units(
        level=level,
        part="all",
        codes=np.array([f"{a}:{b}" for a, b in found.tolist()], dtype=object),
        xy=width * np.column_stack([q + r / 2, r * np.sqrt(3) / 2]),
        links=np.array(links, dtype=np.int64).reshape(-1, 2),
        size=np.bincount(where, minlength=u),
        count=count,
        sums={},
        notes=(f"{int(own.sum())} of {own.size} firms have a place of their own and count",),
    )


def hexagons(xy: Floats, width: float) -> Ints:
    """Return the hexagon (axial coordinates) each point lies in.

    Parameters
    ----------
    xy : array of float, shape (n, 2)
        Metres.
    width : float
        Metres between opposite sides.

    Returns
    -------
    array of int, shape (n, 2)
        The hexagon (q, r) has its centre at ``width * (q + r / 2, r * sqrt(3) / 2)``.

    Examples
    --------
    >>> hexagons(np.array([[10.0, 20.0], [510.0, 0.0], [260.0, 440.0]]), 500.0).tolist()
    [[0, 0], [1, 0], [0, 1]]
    """
    r = xy[:, 1] / width * 2.0 / np.sqrt(3.0)
    q = xy[:, 0] / width - r / 2.0
    cube = np.stack([q, r, -q - r], axis=1)
    rounded = np.round(cube)
    worst = np.abs(rounded - cube).argmax(axis=1)
    rows = np.arange(len(xy))
    rounded[rows, worst] -= rounded.sum(axis=1)
    return rounded[:, :2].astype(np.int64)


def weights_of(units: Units, name: str, rng: np.random.Generator) -> W:
    """Return binary weights by name: contiguity, knn_4, distance_1km.

    Raises
    ------
    InvalidArgument
        Fewer than two units, or not more than the neighbours asked for.
    """
    if name == "contiguity":
        return weights.from_pairs(units.n, units.links[:, 0], units.links[:, 1], both_ways=True)
    kind, _, number = name.partition("_")
    if kind == "knn":
        return weights.knn(units.xy, int(number), "random", rng)
    return weights.distance_band(units.xy, 1000.0 * float(number.removesuffix("km")))


# Global


class _Drawn(NamedTuple):
    """Labels permuted over the firms: for each specialisation its firms in each sized unit."""

    labels: list[Ints | None]
    seed: str | None


def _drawn(units: Units, policy: Policy, rng: np.random.Generator) -> _Drawn:
    """Permute labels; a child each, so that one specialisation does not move another's draws."""
    size = units.size[units.size > 0]
    seed = seed_of(rng)
    count: list[Ints | None] = []
    for held, stream in zip(units.count.sum(axis=0), rng.spawn(units.count.shape[1]), strict=True):
        fit = policy.min_firms_specialisation <= held < size.sum() and size.size >= FEWEST_UNITS
        draws = policy.permutations_global
        count.append(
            stream.multivariate_hypergeometric(size, held, draws, method="marginals")
            if fit
            else None
        )
    return _Drawn(count, seed)


def _overall(
    units: Units,
    name: str,
    kinds: Kinds,
    drawn: _Drawn,
    policy: Policy,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Rows of one setting: every specialisation and quantity, every statistic."""
    tie, *streams = rng.spawn(1 + len(kinds.names) + len(units.totals))
    rows: list[dict[str, Any]] = []
    sized = units.only(units.size > 0)
    refused = _unfit(sized)
    w = None if refused else weights_of(sized, name, tie)
    if w is not None and not w.links:
        refused, w = NO_LINK, None
    for column, kind in enumerate(kinds.names):
        rows += _labelled(sized, w, refused, column, kind, drawn, policy)
        if units.level == "village":
            count = sized.count[:, column].astype(np.float64)
            firms = int(count.sum())
            rows += _permuted("count", kind, sized, count, name, policy, streams[column], firms)
    for stream, (quantity, values) in zip(streams[::-1], units.totals.items(), strict=False):
        kept = ~np.isnan(values)
        missing = int((~kept).sum())
        note = (f"{missing} units without a figure are left out",) if missing else ()
        part = replace(units.only(kept), notes=(*units.notes, *note))
        firms = int(units.sums["firms"][kept].sum())
        rows += _permuted(quantity, None, part, values[kept], name, policy, stream, firms)
    table = pd.DataFrame(rows, columns=list(_row()))
    parents = dict(zip(kinds.names, kinds.parents, strict=True))
    table["parent"] = table["specialisation"].map(parents)
    over = table["quantity"].where(table["specialisation"].notna(), "all quantities")
    groups: Mapping[Any, Any] = table.groupby([over, "statistic"]).groups
    for (what, statistic), some in groups.items():
        words = what if what == "all quantities" else f"{what} of all specialisations"
        tested = some[~table.loc[some, "is_refused"].to_numpy(dtype=bool)]
        q, size = adjust(table.loc[tested, "p"].to_numpy(np.float64), policy.fdr)
        table.loc[tested, "q"] = q
        table.loc[tested, "family_count"] = size
        table.loc[tested, "family"] = f"{statistic}, {words}, {units.level}, {units.part}, {name}"
    return table.assign(level=units.level, area_part=units.part, spatial_weights=name)


def _unfit(units: Units) -> str | None:
    """Say why these units carry no global statistic."""
    if units.n == 1:
        return ONE_UNIT
    if units.n == 0 and units.level.startswith("hexagon"):
        return FEW_PLACES
    return FEW_UNITS if units.n < FEWEST_UNITS else None


def _row(**given: Any) -> dict[str, Any]:
    numbers = ("statistic_value", "expected_value", "p", "q", "family_count")
    words = ("quantity", "specialisation", "statistic", "null", "family", "seed", "warnings")
    counts = ("firms_count", "tested_units_count", "isolated_units_count", "permutations_count")
    return {
        **dict.fromkeys(words),
        **dict.fromkeys(numbers, np.nan),
        **dict.fromkeys(counts, 0),
        "is_refused": False,
        "refusal": None,
        **given,
    }


def _labelled(
    units: Units,
    w: W | None,
    refused: str | None,
    column: int,
    kind: str,
    drawn: _Drawn,
    policy: Policy,
) -> list[dict[str, Any]]:
    """Rows of share and presence of one specialisation, its labels permuted."""
    count, simulated = units.count[:, column], drawn.labels[column]
    held = int(count.sum())
    base = {
        "specialisation": kind,
        "null": LABELS,
        "firms_count": held,
        "tested_units_count": units.n,
        "isolated_units_count": 0 if w is None else int(w.isolates.size),
    }
    names = [("share", one) for one in _SHARE_STATISTICS] + [("presence", "join_count")]
    if held < policy.min_firms_specialisation and refused != FEW_PLACES:
        refused = FEW_KIND
    elif refused is None and held == units.size.sum():
        refused = EVERY
    if refused is not None or w is None or simulated is None:
        return [
            _row(**base, quantity=quantity, statistic=one, is_refused=True, refusal=refused)
            for quantity, one in names
        ]
    values = share_statistics(np.vstack([count, simulated]), units.size, w)
    rows = []
    for quantity, one in names:
        row = _row(**base, quantity=quantity, statistic=one)
        value, null = values[one][0], values[one][1:]
        if one == "join_count" and (count > 0).all():
            row |= {"is_refused": True, "refusal": EVERYWHERE}
        elif np.isnan(value):
            why = KIND_IN_ONE if (count > 0).sum() == 1 else CONSTANT
            row |= {"is_refused": True, "refusal": why}
        else:
            row |= {
                "statistic_value": value,
                "expected_value": float(np.nanmean(null)),
                "p": float(_p(value, null)),
                "permutations_count": null.size,
                "seed": drawn.seed,
                "warnings": _joined(units.notes, draw_warnings(null.size)),
            }
        rows.append(row)
    return rows


def _p(value: float, simulated: Floats) -> Any:
    """Two-sided p; an undefined draw counts in both tails."""
    slack = _TIE * max(abs(value), 1e-300)
    drawn = np.where(np.isnan(simulated), value, simulated)
    return p_from_counts((drawn >= value - slack).sum(), (drawn <= value + slack).sum(), drawn.size)


def _joined(*notes: Any) -> str | None:
    return "; ".join(dict.fromkeys(note for some in notes for note in some)) or None


def share_statistics(count: Ints, size: Ints, w: W) -> dict[str, Floats]:
    r"""Global statistics of shares, for many labellings at once.

    With c firms of a specialisation among n in a unit: Moran's I and Geary's C, row-standardised,
    of the empirical-Bayes standardised shares of Assunção & Reis (each labelling standardised
    anew); Getis-Ord G, binary, of the raw shares :math:`c / n`; joins of units with c > 0.

    Parameters
    ----------
    count : array of int, shape (r, u)
        One labelling a row, all with the same total.
    size : array of int, shape (u,)
        Firms of each unit, > 0.
    w : W
        Binary weights of the u units.

    Returns
    -------
    dict of str to array of float, shape (r,)
        ``moran``, ``geary``, ``getis_ord_g``, ``join_count``; NaN where the shares are alike.

    References
    ----------
    Assunção, R. M. & Reis, E. A. (1999). Statistics in Medicine 18:2147-2162.

    Examples
    --------
    >>> path = weights.from_pairs(4, [0, 1, 2], [1, 2, 3], both_ways=True)
    >>> found = share_statistics(np.array([[2, 2, 0, 0]]), np.full(4, 2), path)
    >>> {name: float(values[0]) for name, values in found.items()}
    {'moran': 0.5, 'geary': 0.375, 'getis_ord_g': 1.0, 'join_count': 1.0}
    """
    u = size.size
    share = count / size
    mean = count[0].sum() / size.sum()
    between = ((share - mean) ** 2 @ size / size.sum() - mean * u / size.sum())[:, None]
    within = mean / size
    total = np.where(between + within > 0, between + within, within)
    z = (share - mean) / np.sqrt(total)
    z -= z.mean(axis=1, keepdims=True)
    rows, links = w.row_standardised(), w.sparse
    lag = (rows.sparse @ z.T).T
    square, cross = (z**2).sum(axis=1), (z * lag).sum(axis=1)
    apart = z**2 @ rows.degrees - 2.0 * cross
    s0 = rows.constants[0]
    pairs = share.sum(axis=1) ** 2 - (share**2).sum(axis=1)
    present = (count > 0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = square <= 1e-12 * u
        return {
            "moran": np.where(flat, np.nan, u / s0 * cross / square),
            "geary": np.where(flat, np.nan, (u - 1) / (2.0 * s0) * apart / square),
            "getis_ord_g": np.where(
                pairs > 1e-12, (share * (links @ share.T).T).sum(axis=1) / pairs, np.nan
            ),
            "join_count": (present * (links @ present.T).T).sum(axis=1) / 2.0,
        }


def _permuted(
    quantity: str,
    kind: str | None,
    units: Units,
    values: Floats,
    name: str,
    policy: Policy,
    rng: np.random.Generator,
    firms: int,
) -> list[dict[str, Any]]:
    """Rows of a quantity whose values are permuted over the units."""
    base = {
        "quantity": quantity,
        "specialisation": kind,
        "null": VILLAGES,
        "firms_count": firms,
        "tested_units_count": units.n,
    }
    tie, *streams = rng.spawn(4)
    refused = _unfit(units)
    if kind is not None and firms < policy.min_firms_specialisation:
        refused = FEW_KIND
    w = None
    if refused is None:
        w = weights_of(units, name, tie)
        refused = None if w.links else NO_LINK
    rows = []
    draws = policy.permutations_global
    for statistic, stream in zip(_SHARE_STATISTICS, streams, strict=True):
        row = _row(**base, statistic=statistic, is_refused=True, refusal=refused)
        if refused is None and w is not None:
            used = w if statistic == "getis_ord_g" else w.row_standardised()
            try:
                found = getattr(lattice, statistic)(values, used, draws, stream)
            except InvalidArgument as error:
                one = kind is not None and (values > 0).sum() == 1
                why = KIND_IN_ONE if one else CONSTANT
                row["refusal"] = FEW_ORDERS if isinstance(error, TooFewUnits) else why
            else:
                row |= {
                    "statistic_value": found.statistic,
                    "expected_value": found.expected,
                    "p": found.p_permutation,
                    "permutations_count": draws,
                    "isolated_units_count": found.isolates,
                    "seed": found.seed,
                    "warnings": _joined(units.notes, found.warnings),
                    "is_refused": False,
                }
        rows.append(row)
    return rows


# Local. Arrays are (u, m): the villages with firms by the specialisations, or by one quantity.


@dataclass(frozen=True, eq=False)
class _Cells:
    """One local statistic: values, two-sided p, which tail, and why a cell is refused (or "")."""

    statistic: str
    null: str
    value: Floats
    expected: Floats | float
    p: Floats
    above: Bools
    refusal: Text
    classes: tuple[Any, Any]
    permutations: int = 0
    seed: str | None = None


def _local(
    whole: Units,
    villages: gpd.GeoDataFrame,
    kinds: Kinds,
    policy: Policy,
    permutations: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Table of every village of the area; those without a firm are refused."""
    joins, *streams = rng.spawn(1 + len(whole.totals))
    w = weights_of(whole, "contiguity", joins) if whole.n > 1 else None
    links = sp.csr_array((whole.n, whole.n)) if w is None else w.sparse
    parts = []
    if kinds.names:
        share, shrunken = _shares(whole, policy)
        extra = {
            "firms_count": whole.count,
            "unit_firms_count": whole.size[:, None],
            "specialisation_share_pct": share,
            "shrunken_share_pct": shrunken,
            "neighbours_count": (links @ (whole.size > 0).astype(np.float64))[:, None],
        }
        for cells in (
            *_local_shares(whole, links, policy),
            _local_joins(whole, links, policy, permutations, joins),
        ):
            quantity = "presence" if cells.statistic == "local_join_count" else "share"
            parts.append(_spread(cells, quantity, kinds.names, extra, whole, villages, policy))
    for stream, (quantity, values) in zip(streams, whole.totals.items(), strict=True):
        firms = whole.sums["firms"][:, None]
        extra = {
            "firms_count": firms,
            "unit_firms_count": firms,
            "specialisation_share_pct": np.nan,
            "shrunken_share_pct": np.nan,
            "neighbours_count": (links @ np.ones(whole.n))[:, None],
        }
        parts += [
            _spread(cells, quantity, (None,), extra, whole, villages, policy)
            for cells in _local_totals(whole, values, permutations, stream)
        ]
    table = pd.concat(parts, ignore_index=True)
    parents = dict(zip(kinds.names, kinds.parents, strict=True))
    table["parent"] = table["specialisation"].map(parents)
    table["status"] = kinds.status
    return frame({str(name): table[name] for name in table}, "autocorrelation_local")


def _spread(
    cells: _Cells,
    quantity: str,
    kind: tuple[str | None, ...],
    extra: dict[str, Any],
    units: Units,
    villages: gpd.GeoDataFrame,
    policy: Policy,
) -> pd.DataFrame:
    """Rows of one statistic for all villages of the area, with q and class."""
    codes = villages["village_code"].astype(str).to_numpy()
    place = pd.Index(units.codes).get_indexer(codes)
    given = cells.refusal == ""
    p = np.where(given, cells.p, np.nan)
    q, family = adjust(p, policy.fdr)
    classes = np.where(cells.above, *cells.classes)
    found = np.where(np.where(given, q, 1.0) <= LEVEL, classes, "not significant")
    over = "one quantity" if kind[0] is None else "all specialisations"
    m = len(kind)

    def wide(values: Any, nothing: Any = None) -> Text:
        inside = np.broadcast_to(np.asarray(values), (units.n, m))
        out = np.full((len(codes), m), nothing, dtype=object)
        out[place >= 0] = inside[place[place >= 0]]
        return out.ravel()

    def where_given(values: Any, nothing: Any = None) -> Text:
        kept = np.full((units.n, m), nothing, dtype=object)
        kept[given] = np.broadcast_to(np.asarray(values, dtype=object), kept.shape)[given]
        return wide(kept, nothing)

    counts = ("firms_count", "unit_firms_count", "neighbours_count")
    return pd.DataFrame(
        {
            "village_code": np.repeat(codes, m),
            "village_name": np.repeat(villages["village_name"].astype(str).to_numpy(), m),
            "quantity": quantity,
            "specialisation": np.tile(np.array(kind, dtype=object), len(codes)),
            "statistic": cells.statistic,
            "spatial_weights": "contiguity",
            **{name: wide(one, 0 if name in counts else None) for name, one in extra.items()},
            "statistic_value": where_given(cells.value),
            "expected_value": where_given(cells.expected),
            "local_class": where_given(found, "refused"),
            "p": wide(p),
            "q": wide(q),
            "family": where_given(f"{cells.statistic}, {quantity}, villages, {over}"),
            "family_count": where_given(family),
            "null": cells.null,
            "permutations_count": where_given(cells.permutations, 0),
            "seed": where_given(cells.seed),
            "warnings": where_given(_joined(draw_warnings(cells.permutations, max(family, 1)))),
            "is_refused": ~wide(given, False).astype(bool),
            "refusal": [reason or None for reason in wide(cells.refusal, NO_FIRM)],
        }
    )


def _few(units: Units, policy: Policy) -> Text:
    """Refusals of whole specialisations, shape (m,)."""
    held = units.count.sum(axis=0)
    return np.select(
        [held < policy.min_firms_specialisation, held == units.size.sum()], [FEW_KIND, EVERY], ""
    ).astype(object)


def _reasons(few: Text, tests: Mapping[str, Any]) -> Text:
    """Return for each cell the first reason to refuse it, that of the specialisation before all."""
    shape = np.broadcast_shapes(few.shape, *(test.shape for test in tests.values()))
    refusal = np.full(shape, "", dtype=object)
    for reason, test in reversed(list(tests.items())):
        refusal[np.broadcast_to(test, shape)] = reason
    stopped = np.flatnonzero(few != "")
    refusal[:, stopped] = few[stopped]
    return refusal


def _shares(units: Units, policy: Policy) -> tuple[Floats, Floats]:
    """Share and empirical-Bayes share (per cent), NaN where there are too few firms."""
    share, shrunken = np.full((2, *units.count.shape), np.nan)
    sized = units.size > 0
    fit = units.size >= policy.min_firms_unit
    share[fit] = 100.0 * units.count[fit] / units.size[fit, None]
    if sized.sum() > 1:
        for column in np.flatnonzero(_few(units, policy) == ""):
            rates = lattice.empirical_bayes(units.count[sized, column], units.size[sized])
            shrunken[sized, column] = 100.0 * np.clip(rates.shrunken, 0.0, 1.0)
    return share, shrunken


def _local_shares(units: Units, links: Any, policy: Policy) -> Iterator[_Cells]:
    """Local Moran and Gi* of shares, every firm of the neighbours counting alike: p is exact."""
    size, count = units.size[:, None], units.count
    whole, held = int(size.sum()), count.sum(axis=0)
    around = np.rint(links @ size).astype(np.int64)
    found = np.rint(links @ count.astype(np.float64)).astype(np.int64)
    few = _few(units, policy)
    rest, marked = whole - size, held - count
    own = _deviate(count, whole, held, size)
    beside = _deviate(found, rest, marked, around)
    tests = {NO_FIGURE: size == 0, ALONE: around == 0}
    refusal = _reasons(few, tests | {FEW_UNIT: size < policy.min_firms_unit})
    p = np.full(count.shape, np.nan)
    for unit in np.flatnonzero((refusal == "").any(axis=1)):
        p[unit] = hypergeometric_p(
            found[unit], int(rest[unit, 0]), marked[unit], around[unit]
        ).two_sided
    high = own > 0
    classes = np.where(high, "high-high", "low-high"), np.where(high, "high-low", "low-low")
    yield _Cells("local_moran", OWN_LABELS, own * beside, 0.0, p, beside > 0, refusal, classes)
    both, everyone = found + count, around + size
    refusal = _reasons(few, tests | {FEW_UNIT: everyone < policy.min_firms_unit})
    p = hypergeometric_p(both, whole, held, everyone).two_sided
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = both / everyone / (held / whole)
    yield _Cells("gi_star", LABELS, ratio, 1.0, p, ratio > 1, refusal, ("hot", "cold"))


def _deviate(found: Ints, population: Any, marked: Any, drawn: Any) -> Floats:
    """Return standard deviates of hypergeometric counts; 0 where nothing is left to chance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = marked / population
        mean = drawn * share
        spread = mean * (1.0 - share) * (population - drawn) / (population - 1)
        return np.where(spread > 0, (found - mean) / np.sqrt(spread), 0.0)


def _local_joins(
    units: Units, links: Any, policy: Policy, permutations: int, rng: np.random.Generator
) -> _Cells:
    """Neighbours that have the specialisation too, around villages that have it."""
    size, count = units.size, units.count
    whole, held = int(size.sum()), count.sum(axis=0)
    value, expected, p = np.full((3, *count.shape), np.nan)
    few = _few(units, policy)
    few = np.where((few == "") & (count[size > 0] > 0).all(axis=0), EVERYWHERE, few)
    alone = np.rint(links @ size) == 0
    refusal = _reasons(
        few, {NO_FIGURE: size[:, None] == 0, ALONE: alone[:, None], ABSENT: count == 0}
    )
    is_drawn = False
    for unit in np.flatnonzero((refusal == "").any(axis=1)):
        beside = links.indices[links.indptr[unit] : links.indptr[unit + 1]]
        beside = beside[size[beside] > 0]
        others = whole - int(size[unit])
        occupied = (count[beside] > 0).sum(axis=0)
        is_exact = beside.size <= _MOST_NEIGHBOURS
        is_drawn |= not is_exact
        by_subset = _subsets(size[beside]) if is_exact else np.empty(0)
        for column in np.flatnonzero(refusal[unit] == ""):
            marked, seen = int(held[column] - count[unit, column]), int(occupied[column])
            law = (
                _occupied(by_subset, others, marked)
                if is_exact
                else _occupied_drawn(size[beside], others, marked, permutations, rng)
            )
            value[unit, column] = seen
            expected[unit, column] = law @ np.arange(law.size)
            p[unit, column] = min(1.0, 2.0 * min(law[seen:].sum(), law[: seen + 1].sum()))
    drawn = (permutations, seed_of(rng)) if is_drawn else (0, None)
    more = np.where(refusal == "", value, 0.0) > np.where(refusal == "", expected, 0.0)
    return _Cells(
        "local_join_count", OWN_LABELS, value, expected, p, more, refusal, ("more", "fewer"), *drawn
    )


def _subsets(size: Ints) -> Floats:
    """Count the subsets of the neighbours by members and firms, shape (k + 1, firms + 1)."""
    table = np.zeros((size.size + 1, int(size.sum()) + 1))
    table[0, 0] = 1.0
    for one in size.tolist():
        table[1:, one:] += table[:-1, : table.shape[1] - one].copy()
    return table


def _occupied(subsets: Floats, others: int, marked: int) -> Floats:
    """Probabilities of 0 ... k neighbours with a marked firm, by inclusion and exclusion.

    `marked` of `others` firms are marked at random; a set of x firms has none with probability
    C(others - x, marked) / C(others, marked).
    """
    k, firms = subsets.shape[0] - 1, subsets.shape[1] - 1
    x = np.arange(firms)
    none = np.concatenate([[1.0], np.cumprod(np.clip(1.0 - marked / (others - x), 0.0, 1.0))])
    empty_sets = subsets @ none
    law = np.zeros(k + 1)
    for empty_ones in range(k + 1):
        terms = [
            (-1) ** (some - empty_ones) * comb(some, empty_ones) * empty_sets[some]
            for some in range(empty_ones, k + 1)
        ]
        law[k - empty_ones] = sum(terms)
    law = np.clip(law, 0.0, None)
    return law / law.sum()


def _occupied_drawn(
    size: Ints, others: int, marked: int, draws: int, rng: np.random.Generator
) -> Floats:
    """As :func:`_occupied`, drawn; the observed value's own draw is one of them by the + 1."""
    rest = others - int(size.sum())
    drawn = rng.multivariate_hypergeometric([*size, rest], marked, draws, method="marginals")
    tally = np.bincount((drawn[:, :-1] > 0).sum(axis=1), minlength=size.size + 1) + 1.0
    return tally / tally.sum()


def _local_totals(
    units: Units, values: Floats, permutations: int, rng: np.random.Generator
) -> Iterator[_Cells]:
    """Local Moran and Gi* of a quantity of all firms, over the villages that have a figure."""
    kept = ~np.isnan(values)
    part, own = units.only(kept), values[kept]
    why, w = (FEW_UNITS if part.n < FEWEST_UNITS else ""), None
    if not why:
        w = weights_of(part, "contiguity", rng)
        why = "" if w.links else NO_LINK
    for statistic, stream in zip(("local_moran", "gi_star"), rng.spawn(2), strict=True):
        value, expected, p = np.full((3, units.n, 1), np.nan)
        above, quadrant = np.zeros((units.n, 1), dtype=bool), np.zeros((units.n, 1), dtype=int)
        seed, failed = None, why
        if w is not None and not failed:
            try:
                if statistic == "local_moran":
                    found = lattice.local_moran(own, w.row_standardised(), permutations, stream)
                else:
                    found = lattice.local_g(own, w, True, permutations, stream)
            except InvalidArgument as error:
                failed = FEW_ORDERS if isinstance(error, TooFewUnits) else CONSTANT
            else:
                seed = found.seed
                value[kept, 0], expected[kept, 0] = found.statistic, found.expected
                p[kept, 0], above[kept, 0] = found.p_permutation, found.z > 0
                if found.quadrant is not None:
                    quadrant[kept, 0] = found.quadrant
        refusal = np.full((units.n, 1), failed, dtype=object)
        refusal[~kept] = NO_FIGURE
        if w is not None and not failed:
            refusal[np.flatnonzero(kept)[w.isolates]] = ALONE
        classes: tuple[Any, Any] = ("hot", "cold")
        if statistic == "local_moran":
            names = np.array(["not significant", "high-high", "low-high", "low-low", "high-low"])
            classes = (names[quadrant], names[quadrant])
        yield _Cells(
            statistic, OWN_VALUE, value, expected, p, above, refusal, classes,
            0 if failed else permutations, seed,
        )  # fmt: skip
