r"""Which specialisations lie near which: every ordered pair, with the uncertainty of places.

A statistic is taken over all draws of the places at once: with :math:`A_d` the neighbours in draw
d, sums over neighbours are linear in :math:`A_d`, so their mean over the draws is the sum over the
mean neighbours :math:`\bar A`. The observed and every permuted labelling see the same draws, and
the test is that of a permutation. ``docs/methods-register.md`` says what each statistic can and
cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

import geopandas as gpd
import shapely

from pipeline.contracts.area import Policy
from pipeline.contracts.errors import TooFewUnits
from pipeline.contracts.reading import empty
from pipeline.contracts.specialisations import ancestors
from pipeline.s3_analyse.autocorrelation import ALONE, FEW_KIND, FEW_ORDERS, LEVEL, NO_FIRM
from pipeline.s3_analyse.inequality import Bools, Floats, Ints
from pipeline.s3_analyse.positions import FIXED, Positions, draw_positions
from pipeline.s3_analyse.specialisation import Kinds, Layout, frame, lay_out, read_kinds
from pipeline.stats import weights
from pipeline.stats._labels import Labellings, labellings, lazily, read_labels, read_strata
from pipeline.stats.colocation import rank_envelope
from pipeline.stats.inference import adjust, draw_warnings, hypergeometric_p, p_from_counts, seed_of

Strata = Literal["none", "size", "precision"]
Text = NDArray[Any]
Singles = NDArray[np.float32]

NO_PLACE, APPROXIMATE, NO_WORKERS, NOBODY_NEAR, TOO_MANY, ABSENT = (
    "no firm with a place of its own: only statistics of villages are given",
    "approximate boundaries cannot place firms inside their village",
    "too few firms with workers",
    "no firm within the distance",
    "too many firms for draws of places: only statistics of villages are given",
    "no firm of the specialisation in the unit",
)
NULL = "random labelling: the sets of specialisations of all firms are permuted over the firms"
WITHIN = {
    "none": "",
    "size": " within firms of like size",
    "precision": " within firms whose places are known alike",
}
OWN_SET = f"{NULL}; the firm's own set stays"
STATISTICS = ("clq", "m_workers", "cross_l", "pcf", "village_clq", "join_count")
_CURVES = ("cross_l", "pcf")
_SYMMETRIC = ("cross_l", "pcf", "join_count")
FIRST_RADIUS = 250.0
"""Shortest distance, metres, where places are known better than that."""
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0)
_SIZES = (5, 20, 100)  # micro, small, medium, large: BPS
MOST_FIRMS = 6000
"""Most firms whose pairs are held in memory."""
_SPREAD = 2  # labellings of each draw, for the share of draws significant
_TIE = 2e-5  # sums are of single precision
_BLOCK = 40_000_000


class Colocation(NamedTuple):
    """The three tables of :func:`colocation`."""

    pairs: pd.DataFrame
    curves: pd.DataFrame
    local: pd.DataFrame


@dataclass(frozen=True, eq=False)
class _Tested:
    """One statistic of all pairs, arrays of shape (m, m)."""

    statistic: str
    radius: float
    value: Floats
    expected: Floats
    p: Floats
    permutations: int
    seed: str | None
    low: Floats | None = None
    high: Floats | None = None
    significant: Floats | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Curved:
    """One curve of all pairs, arrays of shape (radii, m, m)."""

    statistic: str
    radii: Floats
    value: Floats
    expected: Floats
    low: Floats
    high: Floats
    lower: Floats
    upper: Floats
    p: Floats
    permutations: int


def colocation(
    firms: gpd.GeoDataFrame,
    villages: gpd.GeoDataFrame,
    neighbours: pd.DataFrame,
    crs: str,
    policy: Policy,
    rng: np.random.Generator,
    *,
    draws: int = 199,
    strata: Strata = "none",
    curve_permutations: int = 199,
    local_pairs: Sequence[tuple[str, str]] | None = None,
) -> Colocation:
    """Test every ordered pair of specialisations for co-location.

    Parameters
    ----------
    firms : geopandas.GeoDataFrame
        Table ``firm``, EPSG:4326.
    villages : geopandas.GeoDataFrame
        Table ``village``, EPSG:4326.
    neighbours : pandas.DataFrame
        Table ``neighbours``.
    crs : str
        Projected CRS in metres.
    policy : Policy
        Minima, labellings of the tests of one number, control of families.
    rng : numpy.random.Generator
        Places, labellings of places and of villages draw from a child each.
    draws : int
        Draws of the places of firms known only to their village.
    strata : {"none", "size", "precision"}
        Groups of firms within which labels are permuted: all firms; micro, small, medium and
        large ones (below 5, 20 and 100 workers) and those that state none; firms with a place
        of their own and the others.
    curve_permutations : int
        Labellings of the curves.
    local_pairs : sequence of (str, str), optional
        Ordered pairs of the local table; all pairs of main specialisations unless given.

    Returns
    -------
    Colocation
        Tables ``colocation_pair``, ``colocation_curve`` and ``colocation_local``. A specialisation
        is not paired with a part of itself. Statistics of places are given from the smallest
        claimable distance on. Where no firm has a place of its own, or boundaries are
        approximate, they are refused and those of villages stand alone.

    Raises
    ------
    InputError
        A firm in a village that `villages` does not have, or an unknown specialisation.
    """
    kinds = read_kinds(firms)
    if not kinds.names:
        return Colocation(*(empty(f"colocation_{one}") for one in ("pair", "curve", "local")))
    at_random, by_place, by_village = rng.spawn(3)
    reason = _why_not(kinds, villages)
    tested: list[_Tested] = []
    curves: list[_Curved] = []
    places = None
    count = kinds.members.sum(axis=0)
    if not reason:
        try:
            places = draw_positions(
                gpd.GeoDataFrame(kinds.firms, geometry="geometry", crs=villages.crs),
                villages, crs, at_random, draws,
            )  # fmt: skip
            kept = kinds.firms["firm_id"].isin(places.firm_id).to_numpy(dtype=bool)
            tested, curves = _of_places(
                kinds, kept, places, policy, strata, curve_permutations, by_place
            )
        except TooFewUnits:
            reason = FEW_ORDERS
    if reason:
        tested = [_refused(name, reason, count.size) for name in STATISTICS[:4]]
    at = lay_out(kinds, villages, "village", "firms")
    links = _links(at, neighbours)
    try:
        tested += _of_villages(kinds, at, links, policy, strata, by_village)
    except TooFewUnits:
        tested += [_refused(name, FEW_ORDERS, count.size) for name in STATISTICS[4:]]
    sizes = {
        one.statistic: (at.firms, at.members.sum(axis=0))
        if one.statistic in STATISTICS[4:] or places is None
        else (len(places.firm_id), kinds.members[kept].sum(axis=0))
        for one in tested
    }
    pairs = _pair_table(kinds, tested, sizes, places, policy, strata)
    return Colocation(
        pairs,
        _curve_table(kinds, curves, pairs, places, strata),
        _local_table(kinds, at, links, villages, policy, local_pairs),
    )


def _why_not(kinds: Kinds, villages: gpd.GeoDataFrame) -> str:
    """Say why places carry no statistic, if they do not."""
    precision = kinds.firms["precision"]
    if not precision.isin(FIXED).any():
        return NO_PLACE
    if precision.isin((*FIXED, "village")).sum() > MOST_FIRMS:
        return TOO_MANY
    is_drawn = bool((precision == "village").any())
    return APPROXIMATE if is_drawn and (villages["boundary_kind"] != "published").any() else ""


def _refused(statistic: str, reason: str, m: int) -> _Tested:
    nothing = np.full((m, m), np.nan)
    return _Tested(statistic, np.nan, nothing, nothing, nothing, 0, None, reason=reason)


def size_class(workers: pd.Series) -> Ints:
    """Return 0 micro (below 5 workers), 1 small, 2 medium, 3 large (100 or more), 4 not stated.

    Examples
    --------
    >>> size_class(pd.Series([4, 5, 250, None], dtype="Int64")).tolist()
    [0, 1, 3, 4]
    """
    known = workers.notna().to_numpy(dtype=bool)
    found = np.searchsorted(_SIZES, workers.fillna(0).to_numpy(dtype=np.float64), side="right")
    return np.where(known, found, len(_SIZES) + 1).astype(np.int64)


def _layers(firms: pd.DataFrame, strata: Strata) -> Ints:
    if strata == "size":
        return read_strata(size_class(firms["workers_count"]), len(firms))
    if strata == "precision":
        return read_strata(firms["precision"].isin(FIXED).to_numpy(dtype=bool), len(firms))
    return read_strata(None, len(firms))


def _label_blocks(
    drawn: Labellings, sets: Bools, begin: int, end: int
) -> Iterator[tuple[int, Singles]]:
    """Yield the members of labellings `begin` ... `end` - 1, (some, n, m), with their place."""
    n, m = drawn.codes.size, sets.shape[1]
    step = max(1, _BLOCK // (n * m))
    held = sets.astype(np.float32)
    for first in range(begin, end, step):
        yield first - begin, held[drawn.block(first, min(first + step, end))]


def _reached(near: Singles, members: Singles) -> Singles:
    """Sum near_ij over the j in b, shape (some, n, m)."""
    some, n, m = members.shape
    flat = np.ascontiguousarray(members.transpose(1, 0, 2)).reshape(n, some * m)
    return (near @ flat).reshape(n, some, m).transpose(1, 0, 2)


def _sums(members: Singles, reached: Singles) -> Floats:
    """Sum what each firm reaches over the i in a, shape (some, m, m)."""
    return np.matmul(members.transpose(0, 2, 1), reached).astype(np.float64)


def _both(members: Singles, value: Floats) -> Floats:
    """Sum a value over the firms that hold both a and b, shape (some, m, m)."""
    weighed = members * value.astype(np.float32)[:, None]
    return np.matmul(members.transpose(0, 2, 1), weighed).astype(np.float64)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Means over the draws of the neighbours' weights within the shortest distance."""

    equal: Singles  # 1 over the number of neighbours of i, (n, n)
    heavy: Singles  # workers of j over the workers around i, (n, n)
    linked: Floats  # share of draws in which i has a neighbour, (n,)
    manned: Floats  # share of draws in which i has workers around it


def _quotient(reached: Singles, linked: Any, members: Singles) -> Floats:
    """Colocation quotients: mean share of b among the neighbours of a over b's share of others."""
    n = members.shape[1]
    held = members.sum(axis=1).astype(np.float64)
    centres = members.transpose(0, 2, 1) @ linked
    others = held[:, None, :] - np.eye(members.shape[2])
    return _over(_sums(members, reached), centres[:, :, None] * others / (n - 1.0))


def _m_function(reached: Singles, manned: Any, workers: Floats, members: Singles) -> Floats:
    """Marcon-Puech M of workers; `reached` is the share of b in the workers round each firm."""
    rest = workers.sum() - workers
    part = np.divide(manned, rest, out=np.zeros(rest.size), where=rest > 0)
    wide = members.transpose(0, 2, 1)
    base = (wide @ part)[:, :, None] * (wide @ workers)[:, None, :]
    return _over(_sums(members, reached), base - _both(members, part * workers))


def _cross_k(reached: Singles, area: float, members: Singles) -> Floats:
    """Cross-K without edge correction."""
    held = members.sum(axis=1).astype(np.float64)
    ordered = held[:, :, None] * (held[:, None, :] - np.eye(members.shape[2]))
    return area * _over(_sums(members, reached), ordered)


def _rings(k: Floats, radii: Floats) -> Floats:
    """Pair correlation between successive radii, from K of shape (..., radii, m, m)."""
    land = np.pi * np.diff(radii**2)[:, None, None]
    return np.diff(k, axis=-3) / land


def _of_places(
    kinds: Kinds,
    kept: Bools,
    places: Positions,
    policy: Policy,
    strata: Strata,
    curve_permutations: int,
    rng: np.random.Generator,
) -> tuple[list[_Tested], list[_Curved]]:
    """Statistics of the firms' places."""
    firms, members = kinds.firms[kept], kinds.members[kept]
    n, m = members.shape
    workers = np.asarray(firms["workers_count"].astype("Float64").fillna(0.0), np.float64)
    read = read_labels(members, n, kinds.names, least=1)
    layers = _layers(firms, strata)
    tests, spread = rng.spawn(2)
    seed = seed_of(tests)
    most = max(policy.permutations_global, curve_permutations)
    drawn = labellings(read.codes, layers, most, tests)
    again = labellings(read.codes, layers, _SPREAD * places.draws, spread)
    radii: Floats = np.array(_STEPS) * max(np.ceil(places.smallest_m / 50.0) * 50.0, FIRST_RADIUS)
    flat = places.xy.reshape(-1, 2)
    area = float(shapely.convex_hull(shapely.multipoints(flat)).area)
    pairs, rows_of, by_draw, null = _walk(
        places.xy, radii, members, workers, area, again, read.sets
    )

    tested: list[_Tested] = []
    values = {name: np.empty((policy.permutations_global + 1, m, m)) for name in _SINGLE}
    for begin, some in _label_blocks(drawn, read.sets, 0, policy.permutations_global + 1):
        rows = slice(begin, begin + len(some))
        values["clq"][rows] = _quotient(_reached(rows_of.equal, some), rows_of.linked, some)
        laden = _reached(rows_of.heavy, some)
        values["m_workers"][rows] = _m_function(laden, rows_of.manned, workers, some)
    for name in _SINGLE:
        draws = by_draw[name]
        tested.append(
            _Tested(
                name,
                float(radii[0]),
                values[name][0],
                _mean(values[name][1:]),
                _p(values[name][0], values[name][1:]),
                policy.permutations_global,
                seed,
                *_range(draws),
                _significant(draws, null[name]),
                NO_WORKERS if name == "m_workers" and (workers > 0).sum() < 2 else "",
            )
        )
    k = np.empty((curve_permutations + 1, radii.size, m, m))
    for begin, some in _label_blocks(drawn, read.sets, 0, curve_permutations + 1):
        for place, near in enumerate(pairs):
            k[begin : begin + len(some), place] = _cross_k(_reached(near, some), area, some)
    every = by_draw["cross_k"]
    curves = []
    for name, simulated, draws, at in (
        ("cross_l", np.sqrt(k / np.pi), np.sqrt(every / np.pi), radii),
        ("pcf", _rings(k, radii), _rings(every, radii), (radii[1:] + radii[:-1]) / 2.0),
    ):
        curve = _curve(name, at, simulated, draws)
        curves.append(curve)
        own = _significant(draws[:, 0], np.sqrt(null["cross_k"] / np.pi))
        tested.append(
            _Tested(
                name, float(at[0]), curve.value[0], curve.expected[0], curve.p, curve_permutations,
                seed, *_range(draws[:, 0]), own if name == "cross_l" else None,
            )
        )  # fmt: skip
    return tested, curves


_SINGLE = ("clq", "m_workers")


def _walk(
    xy: Floats,
    radii: Floats,
    members: Bools,
    workers: Floats,
    area: float,
    again: Labellings,
    sets: Bools,
) -> tuple[list[Singles], _Rows, dict[str, Floats], dict[str, Floats]]:
    """Go through the draws once.

    Returns
    -------
    pairs : list of array, shape (n, n)
        For each distance the share of draws in which two firms are that near.
    rows : _Rows
    by_draw : dict of str to array
        ``clq`` and ``m_workers`` at the shortest distance, (draws, m, m); ``cross_k``, (draws,
        radii, m, m).
    null : dict of str to array
        The same at the shortest distance, each draw with labellings of its own, (draws *
        labellings, m, m).
    """
    draws, n, _ = xy.shape
    m, kinds = members.shape[1], len(sets)
    own, held = members.astype(np.float32)[None], sets.astype(np.float32)
    pairs = np.zeros((radii.size, n, n), dtype=np.float32)
    equal, heavy = np.zeros((2, n, n), dtype=np.float32)
    linked, manned = np.zeros((2, n))
    by_draw = {name: np.empty((draws, m, m)) for name in _SINGLE}
    by_draw["cross_k"] = np.empty((draws, radii.size, m, m))
    null = {name: np.empty((draws * _SPREAD, m, m)) for name in (*_SINGLE, "cross_k")}
    load = workers.astype(np.float32)
    for draw in range(draws):
        first = draw * _SPREAD
        codes = np.vstack([again.codes, again.block(first + 1, first + 1 + _SPREAD)])
        wide = np.zeros((radii.size, n, kinds), dtype=np.float32)
        near, laden = np.zeros((2, len(codes), n, kinds), dtype=np.float32)
        _tally(xy[draw], radii**2, codes, load, pairs, equal, heavy, wide, near, laden)
        wide = np.cumsum(wide, axis=0) @ held
        around, weight = near[0].sum(axis=1), laden[0].sum(axis=1)
        linked += around > 0
        manned += weight > 0
        both = held[codes]
        k = _cross_k(near @ held, area, both)
        by_draw["cross_k"][draw] = _cross_k(wide, area, own)
        null["cross_k"][first : first + _SPREAD] = k[1:]
        clq = _quotient(near @ held * _inverse(around)[:, None], (around > 0) * 1.0, both)
        m_workers = _m_function(
            laden @ held * _inverse(weight)[:, None], (weight > 0) * 1.0, workers, both
        )
        for name, values in (("clq", clq), ("m_workers", m_workers)):
            by_draw[name][draw] = values[0]
            null[name][first : first + _SPREAD] = values[1:]
    np.cumsum(pairs, axis=0, out=pairs)
    rows_of = _Rows(equal / draws, heavy / draws, linked / draws, manned / draws)
    return list(pairs / np.float32(draws)), rows_of, by_draw, null


@lazily
def _tally(xy, squares, codes, load, pairs, equal, heavy, wide, near, laden):
    """Add one draw: pairs by distance ring, rows of neighbours, and whom each firm has near.

    `wide` counts the sets of the first labelling by ring, `near` those of every labelling within
    the shortest distance, `laden` their workers.
    """
    n = xy.shape[0]
    last = squares.size - 1
    close = np.empty(n, np.int64)
    for i in range(n):
        found = 0
        workers = np.float32(0.0)
        for j in range(n):
            dx = xy[i, 0] - xy[j, 0]
            dy = xy[i, 1] - xy[j, 1]
            apart = dx * dx + dy * dy
            if apart > squares[last] or i == j:
                continue
            ring = 0
            while apart > squares[ring]:
                ring += 1
            pairs[ring, i, j] += np.float32(1.0)
            wide[ring, i, codes[0, j]] += np.float32(1.0)
            if ring == 0:
                close[found] = j
                found += 1
                workers += load[j]
                for draw in range(codes.shape[0]):
                    near[draw, i, codes[draw, j]] += np.float32(1.0)
                    laden[draw, i, codes[draw, j]] += load[j]
        for one in range(found):
            j = close[one]
            equal[i, j] += np.float32(1.0) / np.float32(found)
            if workers > 0:
                heavy[i, j] += load[j] / workers


def _inverse(values: Singles) -> Singles:
    """Return one over the values; 0 for 0."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def _p(observed: Floats, simulated: Floats) -> Floats:
    """Two-sided p; NaN where the statistic is not defined; an undefined draw is in both tails."""
    slack = _TIE * np.maximum(np.abs(observed), 1e-300)
    drawn = np.where(np.isnan(simulated), observed, simulated)
    p = p_from_counts(
        (drawn >= observed - slack).sum(axis=0), (drawn <= observed + slack).sum(axis=0), len(drawn)
    )
    return np.where(np.isnan(observed), np.nan, p)


def _range(draws: Floats) -> tuple[Floats | None, Floats | None]:
    """5 and 95 % quantiles over the draws; None where nothing was drawn."""
    if len(draws) == 1:
        return None, None
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    return low, high


def _significant(draws: Floats, null: Floats) -> Floats | None:
    """Share of draws (per cent) whose own two-sided p is at most 5 %."""
    if len(draws) == 1:
        return None
    found = np.stack([_p(one, null) <= LEVEL for one in draws])
    return 100.0 * found.mean(axis=0)


def _curve(name: str, radii: Floats, values: Floats, draws: Floats) -> _Curved:
    """Envelope and p of every pair's curve; row 0 of `values` is observed."""
    observed = values[0]
    shape = observed.shape
    lower, upper, p = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[1:], np.nan)
    for a, b in np.ndindex(*shape[1:]):
        curve = values[:, :, a, b]
        if np.isfinite(curve).all():
            found = rank_envelope(curve[0], curve[1:])
            lower[:, a, b], upper[:, a, b], p[a, b] = found.lower, found.upper, found.p_global
    low, high = _range(draws)
    nothing = np.full(shape, np.nan)
    return _Curved(
        name, radii, observed, values[1:].mean(axis=0),
        nothing if low is None else low, nothing if high is None else high,
        lower, upper, p, len(values) - 1,
    )  # fmt: skip


# Villages


def _links(at: Layout, neighbours: pd.DataFrame) -> Any:
    """Neighbours of all villages of the area, binary, (u, u)."""
    index = pd.Index(at.codes)
    first, second = (
        index.get_indexer(neighbours[f"village_code_{side}"].astype(str)) for side in "ab"
    )
    return weights.from_pairs(at.units, first, second, both_ways=True).sparse


def _of_villages(
    kinds: Kinds,
    at: Layout,
    links: Any,
    policy: Policy,
    strata: Strata,
    rng: np.random.Generator,
) -> list[_Tested]:
    """Statistics that only need the village of a firm."""
    n, m = at.members.shape
    placed = kinds.firms["village_code"].notna().to_numpy(dtype=bool)
    read = read_labels(at.members, n, kinds.names, least=1)
    seed = seed_of(rng)
    drawn = labellings(
        read.codes, _layers(kinds.firms[placed], strata), policy.permutations_global, rng
    )
    total = np.bincount(at.unit, minlength=at.units).astype(np.float64)
    lived = np.flatnonzero(total > 0)
    unit = np.searchsorted(lived, at.unit)
    into = sp.csr_array((np.ones(n, np.float32), (unit, np.arange(n))), (lived.size, n))
    beside = links[lived][:, lived].astype(np.float32)
    others = np.maximum(total[lived] - 1.0, 1.0)
    linked = (total[at.unit] > 1) * 1.0
    part = linked / others[unit]
    shape = (policy.permutations_global + 1, m, m)
    quotient, joins = np.empty(shape), np.empty(shape)
    halved = 1.0 - np.eye(m) / 2.0
    for begin, some in _label_blocks(drawn, read.sets, 0, shape[0]):
        rows = slice(begin, begin + len(some))
        flat = some.transpose(1, 0, 2).reshape(n, -1)
        count = (into @ flat).reshape(lived.size, len(some), m).transpose(1, 0, 2)
        count = count.astype(np.float64)
        # A village of one firm has no others: its product of counts is its own firm's, taken off
        met = np.matmul((count / others[None, :, None]).transpose(0, 2, 1), count)
        alone = (total[lived] < 2)[None, :, None]
        single = np.where(alone, count, 0.0)
        met -= np.matmul(single.transpose(0, 2, 1), single) + _both(some, part)
        held = count.sum(axis=1)
        centres = some.astype(np.float64).transpose(0, 2, 1) @ linked
        base = centres[:, :, None] * (held[:, None, :] - np.eye(m)) / (n - 1.0)
        quotient[rows] = _over(met, base)
        here = (count > 0).astype(np.float32)
        reach = (beside @ here.transpose(1, 0, 2).reshape(lived.size, -1)).reshape(
            lived.size, len(some), m
        )
        joins[rows] = np.matmul(here.transpose(0, 2, 1), reach.transpose(1, 0, 2)) * halved
    reason = "" if beside.nnz else "no unit has a neighbour"
    return [
        _Tested(
            name, np.nan, values[0], _mean(values[1:]), _p(values[0], values[1:]),
            policy.permutations_global, seed, reason=why,
        )
        for name, values, why in (("village_clq", quotient, ""), ("join_count", joins, reason))
    ]  # fmt: skip


def _mean(values: Floats) -> Floats:
    """Mean over the draws that are defined; NaN where none is."""
    known = np.isfinite(values)
    return _over(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


# Tables


def is_pair(kinds: Kinds) -> Bools:
    """Return which ordered pairs are tested, (m, m): none with a part of itself."""
    parts = [set(ancestors(name)) for name in kinds.names]
    return np.array(
        [
            [a not in parts[j] and b not in parts[i] for j, b in enumerate(kinds.names)]
            for i, a in enumerate(kinds.names)
        ]
    ).reshape(len(kinds.names), len(kinds.names))


def _words(given: Bools, words: str | None) -> list[str | None]:
    return [words if one else None for one in given.tolist()]


def _pair_table(
    kinds: Kinds,
    tested: list[_Tested],
    sizes: Mapping[str, tuple[int, Ints]],
    places: Positions | None,
    policy: Policy,
    strata: Strata,
) -> pd.DataFrame:
    first, second = np.nonzero(is_pair(kinds))
    names = np.array(kinds.names, dtype=object)
    shared = kinds.members.T.astype(np.int64) @ kinds.members.astype(np.int64)
    parts = []
    for one in tested:
        whole, held = sizes[one.statistic]
        few = held < policy.min_firms_specialisation
        refusal = np.full(first.size, one.reason, dtype=object)
        undefined = np.isnan(one.value[first, second]) | np.isnan(one.p[first, second])
        refusal[undefined & (refusal == "")] = NOBODY_NEAR
        refusal[few[first] | few[second]] = FEW_KIND
        given = refusal == ""
        p = np.where(given, one.p[first, second], np.nan)
        is_test = given & ((first <= second) | (one.statistic not in _SYMMETRIC))
        q = np.full(held.size**2, np.nan).reshape(held.size, held.size)
        q[first[is_test], second[is_test]], family = adjust(p[is_test], policy.fdr)
        if one.statistic in _SYMMETRIC:
            q = np.fmax(q, q.T)
        of_pair = q[first, second]
        value, expected = one.value[first, second], one.expected[first, second]

        def only(table: Any, given: Bools = given) -> Floats:
            if table is None:
                return np.full(first.size, np.nan)
            return np.where(given, table[first, second] if np.ndim(table) else table, np.nan)

        with np.errstate(divide="ignore", invalid="ignore"):
            strength = np.abs(np.log(value / expected))
        strength = np.nan_to_num(np.minimum(strength, 99.0)).round(4)
        order = np.lexsort((-strength, p, of_pair, ~given))
        rank = np.empty(first.size)
        rank[order] = np.arange(1.0, first.size + 1)
        where = places if one.statistic in STATISTICS[:4] else None
        kind = "unordered" if one.statistic in _SYMMETRIC else "ordered"
        notes = "; ".join(draw_warnings(one.permutations, max(family, 1))) or None
        parts.append(
            pd.DataFrame(
                {
                    "specialisation_a": names[first],
                    "specialisation_b": names[second],
                    "statistic": one.statistic,
                    "rank": np.where(given, rank, np.nan),
                    "firms_a_count": held[first],
                    "firms_b_count": held[second],
                    "shared_firms_count": shared[first, second],
                    "located_firms_count": whole,
                    "radius_m": one.radius,
                    "statistic_value": only(one.value),
                    "expected_value": only(one.expected),
                    "value_low": only(one.low),
                    "value_high": only(one.high),
                    "draws_count": where.draws if where and where.draws > 1 else 0,
                    "smallest_distance_m": where.smallest_m if where else np.nan,
                    "significant_draws_pct": only(one.significant),
                    "p": p,
                    "q": np.where(given, of_pair, np.nan),
                    "family": _words(given, f"{one.statistic}, all {kind} pairs"),
                    "family_count": np.where(given, float(family), np.nan),
                    "permutations_count": np.where(given, one.permutations, 0),
                    "seed": _words(given, one.seed),
                    "warnings": _words(given, notes),
                    "is_refused": ~given,
                    "refusal": [reason or None for reason in refusal],
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    table["strata"], table["is_main"] = strata, strata == "none"
    table["null"], table["status"] = NULL + WITHIN[strata], kinds.status
    return frame({str(name): table[name] for name in table}, "colocation_pair")


def _curve_table(
    kinds: Kinds,
    curves: list[_Curved],
    pairs: pd.DataFrame,
    places: Positions | None,
    strata: Strata,
) -> pd.DataFrame:
    names = np.array(kinds.names, dtype=object)
    first, second = np.nonzero(is_pair(kinds))
    parts = []
    for one in curves:
        assert places is not None
        test = pairs[pairs["statistic"] == one.statistic]
        given = ~test["is_refused"].to_numpy(dtype=bool)
        a, b, r = first[given], second[given], one.radii.size

        def long(table: Floats, a: Ints = a, b: Ints = b) -> Floats:
            return table[:, a, b].T.ravel()

        value, lower, upper = long(one.value), long(one.lower), long(one.upper)
        slack = _TIE * np.abs(value)
        parts.append(
            pd.DataFrame(
                {
                    "specialisation_a": np.repeat(names[a], r),
                    "specialisation_b": np.repeat(names[b], r),
                    "statistic": one.statistic,
                    "radius_m": np.tile(one.radii, a.size),
                    "statistic_value": value,
                    "expected_value": long(one.expected),
                    "value_low": long(one.low),
                    "value_high": long(one.high),
                    "draws_count": places.draws if places.draws > 1 else 0,
                    "smallest_distance_m": places.smallest_m,
                    "envelope_low": lower,
                    "envelope_high": upper,
                    "is_outside": (value < lower - slack) | (value > upper + slack),
                    "p": np.repeat(one.p[a, b], r),
                    "q": np.repeat(test["q"].to_numpy(np.float64)[given], r),
                    "permutations_count": one.permutations,
                }
            )
        )
    if not parts:
        return empty("colocation_curve")
    table = pd.concat(parts, ignore_index=True).assign(strata=strata, status=kinds.status)
    return frame({str(name): table[name] for name in table}, "colocation_curve")


def _local_table(
    kinds: Kinds,
    at: Layout,
    links: Any,
    villages: gpd.GeoDataFrame,
    policy: Policy,
    chosen: Sequence[tuple[str, str]] | None,
) -> pd.DataFrame:
    """Local quotients around the firms of a in each village; p is exact."""
    if chosen is None:
        main = [name for name, one in zip(kinds.names, kinds.parents, strict=True) if one is None]
        chosen = [(a, b) for a in main for b in main]
    if not chosen:
        return empty("colocation_local")
    count = at.sums(at.members.astype(np.float64)).astype(np.int64)
    size = np.bincount(at.unit, minlength=at.units)
    n, held = at.firms, at.members.sum(axis=0)
    around = np.rint(links @ size.astype(np.float64)).astype(np.int64) + size - 1
    found = np.rint(links @ count.astype(np.float64)).astype(np.int64) + count
    lived = (links @ (size > 0).astype(np.float64)).astype(np.int64)
    values, expected, p, refusal = [], [], [], []
    for a, b in chosen:
        i, j = kinds.names.index(a), kinds.names.index(b)
        # The firm looked from holds a, and b too where all its village's firms of a do
        alone = at.sums((at.members[:, i] & ~at.members[:, j]).astype(np.float64)) > 0
        own = (~alone).astype(np.int64)
        few = min(held[i], held[j]) < policy.min_firms_specialisation
        reason = np.select(
            [size == 0, np.full(size.size, few), count[:, i] == 0, around < 1],
            [NO_FIRM, FEW_KIND, ABSENT, ALONE],
            "",
        )
        given = reason == ""
        exact, ratio = np.full((2, size.size), np.nan)
        if given.any():
            marked, seen = held[j] - own[given], found[given, j] - own[given]
            exact[given] = hypergeometric_p(seen, n - 1, marked, around[given]).two_sided
            base = (held[j] - (a == b)) / (n - 1.0)
            ratio[given] = seen / around[given] / base
            expected.append(np.where(given, (held[j] - own) / (n - 1.0) / base, np.nan))
        else:
            expected.append(ratio)
        values.append(ratio)
        p.append(exact)
        refusal.append(reason)
    value, mean, tail = (np.concatenate(some) for some in (values, expected, p))
    reasons = np.concatenate(refusal)
    q, family = adjust(tail, policy.fdr)
    strong = np.where(np.isnan(q), 1.0, q) <= LEVEL
    classes = np.where(strong, np.where(value > mean, "more", "fewer"), "not significant")
    given = reasons == ""
    k = len(chosen)
    return frame(
        {
            "village_code": np.tile(at.codes, k),
            "village_name": np.tile(at.labels, k),
            "specialisation_a": np.repeat([a for a, _ in chosen], at.units),
            "specialisation_b": np.repeat([b for _, b in chosen], at.units),
            "spatial_weights": "own village and contiguity",
            "firms_a_count": np.concatenate([count[:, kinds.names.index(a)] for a, _ in chosen]),
            "unit_firms_count": np.tile(size, k),
            "neighbours_count": np.tile(lived, k),
            "statistic_value": value,
            "expected_value": mean,
            "local_class": np.where(given, classes, "refused"),
            "p": tail,
            "q": q,
            "family": _words(given, "local quotient, villages, chosen pairs"),
            "family_count": np.where(given, float(family), np.nan),
            "null": OWN_SET,
            "permutations_count": 0,
            "seed": None,
            "warnings": None,
            "is_refused": ~given,
            "refusal": [reason or None for reason in reasons],
            "status": kinds.status,
        },
        "colocation_local",
    )
