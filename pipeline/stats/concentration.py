"""Geographic concentration of industries over regions, net of the lumpiness of plants.

Ellison-Glaeser gamma and Ellison-Glaeser-Kerr coagglomeration, with a dartboard null: plants of
the real sizes are thrown at the regions, with the chance of a region its share of the activity.
``docs/methods-points.md`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, TooFewUnits, UndefinedStatistic
from pipeline.stats._labels import Labels, Table, read_labels, read_strata
from pipeline.stats.inference import (
    Floats,
    Ints,
    adjust,
    draw_warnings,
    p_from_counts,
    require_vector,
    stream,
)

__all__ = [
    "Coagglomeration",
    "EllisonGlaeser",
    "GroupCoagglomeration",
    "coagglomeration",
    "ellison_glaeser",
    "group_coagglomeration",
]

Reference = Literal["total", "mean"] | Mapping[Any, float]

_TIE = 1e-12
_BLOCK = 4_000_000  # numbers drawn at a time


@dataclass(frozen=True)
class _Plants:
    """Checked input: a region number, a size and a set of industries for every plant."""

    region: Ints
    regions: tuple[Any, ...]
    labels: Labels
    size: Floats
    x: Floats  # share of each region in the reference
    shares: Floats  # (industries, regions)
    herfindahl: Floats  # (industries,)
    employment: Floats  # (industries,)

    @property
    def spread(self) -> float:
        """One minus the sum of squared reference shares."""
        return float(1.0 - (self.x**2).sum())


def _regions(region: Any, x: Any) -> tuple[Ints, tuple[Any, ...]]:
    """Region number of each plant, and the regions: those of a mapping x, or those with plants."""
    place = region.tolist() if isinstance(region, np.ndarray) else list(region)
    if not place:
        raise TooFewUnits("region: expected at least one plant, found none")
    numbers = read_strata(place, len(place), "region")
    if isinstance(x, Mapping):
        known = tuple(x)
        order = {name: number for number, name in enumerate(known)}
        missing = [name for name in dict.fromkeys(place) if name not in order]
        if missing:
            raise InvalidArgument(
                f"x: expected a share for every region with plants, found none for {missing[:5]!r}"
            )
        return np.array([order[name] for name in place], dtype=np.int64), known
    first = np.unique(numbers, return_index=True)[1]
    return numbers, tuple(place[i] for i in first)


def _reference(x: Any, numbers: Ints, regions: int, size: Floats, shares: Floats) -> Floats:
    """Shares of the regions that count as no concentration; they sum to 1."""
    if isinstance(x, Mapping):
        values = require_vector(list(x.values()), "x", regions)
        if (values < 0).any() or not np.isclose(values.sum(), 1.0, rtol=0, atol=1e-9):
            raise InvalidArgument(
                f"x: expected shares >= 0 that sum to 1, found {values.min():g} to "
                f"{values.max():g} with sum {values.sum():g}"
            )
        return values
    if x == "total":
        total = np.bincount(numbers, weights=size, minlength=regions)
        return total / total.sum()
    if x == "mean":
        return shares.mean(axis=0)
    raise InvalidArgument(
        f"x: expected 'total', 'mean' or a mapping from region to share, found {x!r:.60}"
    )


def _read(
    region: Any,
    industry: Any,
    size: ArrayLike | None,
    names: Sequence[Hashable] | None,
    x: Any,
    least: int,
) -> _Plants:
    numbers, regions = _regions(region, x)
    n = numbers.size
    workers = np.ones(n) if size is None else require_vector(size, "size", n)
    if (workers <= 0).any():
        i = int(np.argmin(workers))
        raise InvalidArgument(
            f"size: expected positive sizes, found {workers[i]:g} at position {i}. Drop plants "
            "without workers"
        )
    labels = read_labels(industry, n, names, least=least)
    if len(regions) < 2:
        raise UndefinedStatistic(
            f"region: expected at least 2 regions, found {len(regions)}: over one region nothing "
            "can be concentrated"
        )
    held = labels.members * workers[:, None]
    employment = held.sum(axis=0)
    totals = [np.bincount(numbers, weights=column, minlength=len(regions)) for column in held.T]
    shares: Floats = np.array(totals, dtype=np.float64) / employment[:, None]
    plants = _Plants(
        region=numbers,
        regions=regions,
        labels=labels,
        size=workers,
        x=_reference(x, numbers, len(regions), workers, shares),
        shares=shares,
        herfindahl=((held / employment) ** 2).sum(axis=0),
        employment=employment,
    )
    if plants.spread <= 0:
        raise UndefinedStatistic("x: expected activity in at least 2 regions, found all in one")
    return plants


def _throws(
    at: _Plants, permutations: int, rng: np.random.Generator, workers: int
) -> Iterator[tuple[int, Ints]]:
    """Throw the first `workers` plants: blocks (first draw, regions of shape (draws, plants))."""
    borders = np.cumsum(at.x)
    borders[-1] = 1.0
    block = max(1, _BLOCK // max(workers, 1))
    for begin in range(0, permutations, block):
        draws = min(block, permutations - begin)
        yield begin, np.searchsorted(borders, rng.random((draws, workers)), side="right")


def _thrown_shares(at: _Plants, where: Ints, plants: Ints, weight: Floats) -> Floats:
    """Shares of regions in each draw, shape (draws, regions), of plants thrown to `where`."""
    draws, regions = where.shape[0], len(at.regions)
    cells = where[:, plants] + np.arange(draws)[:, None] * regions
    thrown = np.bincount(cells.ravel(), np.tile(weight, draws), draws * regions)
    return thrown.astype(np.float64, copy=False).reshape(draws, regions)


def _two_sided(simulated: Floats, observed: Floats) -> Floats:
    """Permutation p along the first axis; NaN where the statistic is undefined."""
    slack = _TIE * np.maximum(1.0, np.abs(observed))
    p = p_from_counts(
        (simulated >= observed - slack).sum(axis=0),
        (simulated <= observed + slack).sum(axis=0),
        len(simulated),
    )
    return np.where(np.isfinite(observed), p, np.nan)


def _simulate(
    at: _Plants,
    permutations: int,
    rng: np.random.Generator | None,
    statistic: Callable[[Floats], Floats],
) -> Floats:
    """Statistic of industry shares (draws, industries, regions) under the dartboard null."""
    assert rng is not None
    members = at.labels.members
    parts = []
    for _, where in _throws(at, permutations, rng, at.labels.n):
        shares = []
        for column, employment in zip(members.T, at.employment, strict=True):
            plants = np.flatnonzero(column)
            shares.append(_thrown_shares(at, where, plants, at.size[plants] / employment))
        parts.append(statistic(np.stack(shares, axis=1)))
    return np.concatenate(parts)


def _dartboard(x: Any, what: str) -> str:
    named = {"total": "all activity", "mean": "the mean industry"}
    share = "the reference given" if isinstance(x, Mapping) else named[x]
    return (
        f"dartboard: plants of the real sizes are thrown at the regions independently{what}, the "
        f"chance of a region being its share of {share}; the reference shares stay fixed"
    )


@dataclass(frozen=True)
class EllisonGlaeser:
    """Ellison-Glaeser index of each industry: arrays in the order of `labels`, also by label.

    Parameters
    ----------
    labels : tuple of hashable, length m
        Industries.
    gamma : Table, shape (m,)
        0 as by chance, above 0 concentrated; NaN where one plant holds the whole industry.
    herfindahl : Table, shape (m,)
        Plant Herfindahl H.
    gini_raw : Table, shape (m,)
        Raw concentration G = sum (s - x)^2.
    plants, employment : Table, shape (m,)
    own_share : Table, shape (m,)
        Share of the industry in all activity. Where it is large and x is "total" the industry is
        compared with itself and gamma tends to 0.
    p, q : Table, shape (m,)
        Dartboard p of gamma, and q over the industries; NaN without permutations.
    null_mean : Table, shape (m,)
        Mean gamma over the draws.
    x : dict
        Reference share of each region.
    n : int
        Plants.
    null : str
    permutations : int
    seed : str or None
    family : int
    warnings : tuple of str
    """

    labels: tuple[Any, ...]
    gamma: Table
    herfindahl: Table
    gini_raw: Table
    plants: Table
    employment: Table
    own_share: Table
    p: Table
    q: Table
    null_mean: Table
    x: dict[Any, float]
    n: int
    null: str
    permutations: int
    seed: str | None
    family: int
    warnings: tuple[str, ...]


def _gamma(at: _Plants, shares: Floats) -> tuple[Floats, Floats]:
    """Gamma and raw G of industry shares (..., industries, regions)."""
    raw = ((shares - at.x) ** 2).sum(axis=-1)
    h = at.herfindahl
    single = at.labels.counts < 2
    with np.errstate(divide="ignore", invalid="ignore"):
        gamma = (raw / at.spread - h) / (1.0 - h)
    return np.where(single, np.nan, gamma), raw


def ellison_glaeser(
    region: Sequence[Hashable] | NDArray[Any],
    industry: Any,
    size: ArrayLike | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    x: Reference = "total",
    names: Sequence[Hashable] | None = None,
    fdr: Literal["bh", "by"] = "bh",
) -> EllisonGlaeser:
    r"""Ellison-Glaeser index of geographic concentration of every industry.

    .. math:: \gamma = \frac{G - (1 - \sum_r x_r^2) H}{(1 - \sum_r x_r^2)(1 - H)},
        \quad G = \sum_r (s_r - x_r)^2, \quad H = \sum_i z_i^2

    with s the shares of regions in the industry, x in the reference and z those of its plants.
    Under the dartboard null the mean of gamma is 0 whatever the sizes of plants and regions.

    Parameters
    ----------
    region : sequence of hashable, length n
        Region of each plant.
    industry : sequence of hashable, sequence of sets, or array of bool of shape (n, m)
        Industry of each plant; a plant of several counts with its whole size in each.
    size : array_like of float, shape (n,), optional
        Workers, > 0; every plant counts 1 if missing.
    permutations : int
        Dartboard throws for p; 0 for none.
    rng : numpy.random.Generator, optional
        Needed with permutations.
    x : {"total", "mean"} or mapping
        Reference share of each region: all activity, the mean over industries, or given (may
        include regions without plants; sums to 1).
    names : sequence of hashable, optional
        Names of the columns of a membership matrix.
    fdr : {"bh", "by"}

    Returns
    -------
    EllisonGlaeser

    Raises
    ------
    InvalidArgument
        Wrong lengths, missing values, sizes not positive, x that does not fit, no rng.
    TooFewUnits, UndefinedStatistic
        No plants; one region only.

    References
    ----------
    Ellison, G. & Glaeser, E. L. (1997). Geographic concentration in U.S. manufacturing
    industries: a dartboard approach. Journal of Political Economy 105:889-927.

    Examples
    --------
    >>> r = ellison_glaeser(["N", "N", "S", "S"], ["dye", "dye", "wax", "wax"], [1, 1, 1, 1])
    >>> r.gamma.tolist(), r.herfindahl["dye"].tolist(), r.gini_raw.tolist()
    ([1.0, 1.0], 0.5, [0.5, 0.5])
    """
    rng, seed = stream(rng, permutations)
    at = _read(region, industry, size, names, x, least=1)
    gamma, raw = _gamma(at, at.shares)
    nothing = np.full(gamma.shape, np.nan)
    p, mean = nothing, nothing
    if permutations:
        simulated = _simulate(at, permutations, rng, lambda shares: _gamma(at, shares)[0])
        p, mean = _two_sided(simulated, gamma), simulated.mean(axis=0)
    q, family = adjust(p, fdr)
    own = at.employment / at.size.sum()
    notes = [f"one plant holds all of {label!r}: gamma is undefined" for label, plants
             in zip(at.labels.names, at.labels.counts, strict=True) if plants < 2]  # fmt: skip
    if x == "total":
        notes += [
            f"{label!r} is {share:.0%} of its own reference, which biases gamma towards 0"
            for label, share in zip(at.labels.names, own, strict=True)
            if share > 0.25
        ]
    wrap = lambda values: Table(at.labels.names, values)  # noqa: E731
    return EllisonGlaeser(
        labels=at.labels.names,
        gamma=wrap(gamma),
        herfindahl=wrap(at.herfindahl),
        gini_raw=wrap(raw),
        plants=wrap(at.labels.counts),
        employment=wrap(at.employment),
        own_share=wrap(own),
        p=wrap(p),
        q=wrap(q),
        null_mean=wrap(mean),
        x=dict(zip(at.regions, at.x.tolist(), strict=True)),
        n=at.labels.n,
        null=_dartboard(x, ""),
        permutations=permutations,
        seed=seed,
        family=family,
        warnings=tuple(notes + draw_warnings(permutations, family)),
    )


@dataclass(frozen=True)
class Coagglomeration:
    """Ellison-Glaeser-Kerr index of every pair of industries.

    Parameters
    ----------
    labels : tuple of hashable, length m
    gamma : Table, shape (m, m)
        Symmetric; NaN on the diagonal, where :func:`ellison_glaeser` is the index.
    p, q : Table, shape (m, m)
        Dartboard p, and q over the m (m - 1) / 2 pairs; NaN without permutations.
    null_mean : Table, shape (m, m)
    shared_plants : Table, shape (m, m)
        Plants that hold both industries: they alone pull a pair together.
    x : dict
        Reference share of each region.
    reference : str
        Which x was used.
    n : int
    null : str
    permutations : int
    seed : str or None
    family : int
    warnings : tuple of str
    """

    labels: tuple[Any, ...]
    gamma: Table
    p: Table
    q: Table
    null_mean: Table
    shared_plants: Table
    x: dict[Any, float]
    reference: str
    n: int
    null: str
    permutations: int
    seed: str | None
    family: int
    warnings: tuple[str, ...]


def _cogamma(at: _Plants, shares: Floats) -> Floats:
    """Pairwise index of industry shares (..., industries, regions); NaN on the diagonal."""
    excess = shares - at.x
    gamma = excess @ excess.swapaxes(-1, -2) / at.spread
    diagonal = np.arange(gamma.shape[-1])
    gamma[..., diagonal, diagonal] = np.nan
    return gamma


def coagglomeration(
    region: Sequence[Hashable] | NDArray[Any],
    industry: Any,
    size: ArrayLike | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    x: Reference = "total",
    names: Sequence[Hashable] | None = None,
    fdr: Literal["bh", "by"] = "bh",
) -> Coagglomeration:
    r"""Ellison-Glaeser-Kerr coagglomeration of every pair of industries.

    .. math:: \gamma^c_{ab} = \frac{\sum_r (s_{ra} - x_r)(s_{rb} - x_r)}{1 - \sum_r x_r^2}

    Parameters
    ----------
    region, industry, size, permutations, rng, names, fdr
        As in :func:`ellison_glaeser`.
    x : {"total", "mean"} or mapping
        Reference shares: all activity (Ellison & Glaeser 1997), the mean of the industries'
        shares (Ellison, Glaeser & Kerr 2010), or given.

    Returns
    -------
    Coagglomeration

    Raises
    ------
    InvalidArgument, TooFewUnits, UndefinedStatistic
        As :func:`ellison_glaeser`; one industry only.

    Notes
    -----
    With x from the same data the industries' excesses are tied: with "mean" and two industries
    they are exact opposites and gamma is never positive. Read it against `null_mean` only where
    the reference is wider than the pair. The dartboard holds x fixed, so that under the null
    gamma has mean 0; a plant of two industries is thrown whole, which makes the mean of such a
    pair positive.

    References
    ----------
    Ellison, G., Glaeser, E. L. & Kerr, W. R. (2010). What causes industry agglomeration?
    Evidence from coagglomeration patterns. American Economic Review 100:1195-1213.

    Examples
    --------
    >>> r = coagglomeration(["N", "S", "N", "S"], ["dye", "dye", "wax", "print"])
    >>> r.gamma["wax", "print"].tolist(), r.gamma["dye", "wax"].tolist()
    (-1.0, 0.0)
    """
    rng, seed = stream(rng, permutations)
    at = _read(region, industry, size, names, x, least=2)
    gamma = _cogamma(at, at.shares)
    m = len(at.labels.names)
    p, q, mean = (np.full((m, m), np.nan) for _ in range(3))
    family = 0
    if permutations:
        simulated = _simulate(at, permutations, rng, lambda shares: _cogamma(at, shares))
        p, mean = _two_sided(simulated, gamma), simulated.mean(axis=0)
        above = np.triu_indices(m, 1)
        q[above], family = adjust(p[above], fdr)
        q.T[above] = q[above]
    notes = []
    if x == "mean" and m == 2:
        notes.append(
            "with two industries and x='mean' the excesses are exact opposites: gamma cannot be "
            "positive; take x='total' or a wider reference"
        )
    shared = at.labels.shared
    if (shared > np.diag(np.diag(shared))).any():
        notes.append(
            "plants that hold several industries tie these together; the dartboard throws them "
            "whole, so compare gamma with null_mean"
        )
    wrap = lambda values: Table(at.labels.names, values)  # noqa: E731
    return Coagglomeration(
        labels=at.labels.names,
        gamma=wrap(gamma),
        p=wrap(p),
        q=wrap(q),
        null_mean=wrap(mean),
        shared_plants=wrap(shared),
        x=dict(zip(at.regions, at.x.tolist(), strict=True)),
        reference=x if isinstance(x, str) else "given",
        n=at.labels.n,
        null=_dartboard(x, ", each with all its industries"),
        permutations=permutations,
        seed=seed,
        family=family,
        warnings=tuple(notes + draw_warnings(permutations, family)),
    )


@dataclass(frozen=True)
class GroupCoagglomeration:
    """Ellison-Glaeser coagglomeration of a group of industries taken together.

    Parameters
    ----------
    value : float
        0: plants of different industries ignore each other; 1: as plants of one industry do.
    raw, herfindahl : float
        G and H of the whole group.
    weights : Table, shape (m,)
        Share of each industry in the group.
    p : float
        Dartboard p; NaN without permutations.
    labels : tuple of hashable
    n : int
    null : str
    permutations : int
    seed : str or None
    warnings : tuple of str
    """

    value: float
    raw: float
    herfindahl: float
    weights: Table
    p: float
    labels: tuple[Any, ...]
    n: int
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]


def group_coagglomeration(
    region: Sequence[Hashable] | NDArray[Any],
    industry: Any,
    size: ArrayLike | None = None,
    permutations: int = 0,
    rng: np.random.Generator | None = None,
    *,
    x: Reference = "total",
    names: Sequence[Hashable] | None = None,
) -> GroupCoagglomeration:
    r"""Coagglomeration of all industries as one group (Ellison & Glaeser 1997).

    .. math:: \gamma^c = \frac{G / (1 - \sum x_r^2) - H - \sum_j \gamma_j w_j^2 (1 - H_j)}
                              {1 - \sum_j w_j^2}

    with G of the group's shares :math:`\sum_j w_j s_j`, :math:`H = \sum_j w_j^2 H_j` and w the
    industries' shares in the group. Inserting G and the :math:`\gamma_j` gives the mean of the
    pairwise indices weighted by :math:`w_a w_b`.

    Parameters
    ----------
    region, industry, size, permutations, rng, names
        As in :func:`ellison_glaeser`.
    x : {"total", "mean"} or mapping
        Reference shares. "total" makes the group its own reference with G = 0 when the group is
        all there is: give the shares of a wider activity.

    Returns
    -------
    GroupCoagglomeration

    Raises
    ------
    InvalidArgument, TooFewUnits, UndefinedStatistic
        As :func:`ellison_glaeser`; one industry only.

    Examples
    --------
    >>> r = group_coagglomeration(["N", "N", "S", "S"], ["dye", "wax", "dye", "wax"],
    ...                           x={"N": 0.25, "S": 0.75})
    >>> round(r.value, 4)
    0.3333
    """
    rng, seed = stream(rng, permutations)
    at = _read(region, industry, size, names, x, least=2)
    w = at.employment / at.employment.sum()
    rest = 1.0 - float((w**2).sum())

    def value(shares: Floats) -> Floats:
        raw = ((np.einsum("j,...jr->...r", w, shares) - at.x) ** 2).sum(axis=-1)
        # gamma_j (1 - H_j) = G_j / spread - H_j, defined for an industry of one plant too
        own = ((shares - at.x) ** 2).sum(axis=-1) / at.spread - at.herfindahl
        together = raw / at.spread - (w**2 * at.herfindahl).sum()
        return (together - (own * w**2).sum(axis=-1)) / rest

    observed = value(at.shares)
    p = float("nan")
    if permutations:
        p = float(_two_sided(_simulate(at, permutations, rng, value), observed))
    notes = []
    if x == "total":
        notes.append(
            "the group is its own reference; give x as the shares of a wider activity to compare"
        )
    return GroupCoagglomeration(
        value=float(observed),
        raw=float((((w @ at.shares) - at.x) ** 2).sum()),
        herfindahl=float((w**2 * at.herfindahl).sum()),
        weights=Table(at.labels.names, w),
        p=p,
        labels=at.labels.names,
        n=at.labels.n,
        null=_dartboard(x, ", each with all its industries"),
        permutations=permutations,
        seed=seed,
        warnings=tuple(notes + draw_warnings(permutations)),
    )
