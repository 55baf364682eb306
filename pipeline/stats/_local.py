"""Local autocorrelation: local Moran (and bivariate), local Geary, G and G*."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.stats._lattice import (
    LocalResult,
    deviates,
    family_q,
    isolate_warnings,
    require_values,
    require_variation,
)
from pipeline.stats._permute import ConditionalTails
from pipeline.stats.inference import (
    Floats,
    Ints,
    draw_warnings,
    p_from_counts,
    require_rng,
    seed_of,
)
from pipeline.stats.weights import W

Fdr = Literal["bh", "by"]
# Fewer sets of neighbours than this and no two-sided p reaches 0.05.
_SETS = 40


def _linear_moments(w: W, mean: Floats, square: Floats) -> tuple[Floats, Floats]:
    """Exact mean and variance of sum_j w_ij f_j when the others' f change places.

    `mean` and `square` are the means of f and f^2 over the n - 1 others of each unit.
    """
    n, total = w.n, w.row_sums
    spread = np.maximum(square - mean * mean, 0.0)
    variance = spread / (n - 2) * np.maximum((n - 1) * w.row_squares - total * total, 0.0)
    # Equal weights on all others leave nothing to chance; what is left is rounding.
    variance[(w.cardinalities == n - 1) & ~np.isnan(w.row_value)] = 0.0
    return total * mean, variance


def _result(
    name: str,
    statistic: Floats,
    expected: Floats,
    variance: Floats,
    tails: tuple[Ints, Ints] | None,
    w: W,
    null: str,
    permutations: int,
    seed: str | None,
    fdr: Fdr,
    quadrant: NDArray[np.int8] | None,
    warnings: list[str],
) -> LocalResult:
    alone = w.isolates
    if alone.size:
        statistic, expected, variance = (
            np.where(w.cardinalities > 0, part, np.nan) for part in (statistic, expected, variance)
        )
    z, p_two_sided = deviates(statistic, expected, variance)
    p_permutation = np.full(w.n, np.nan)
    if tails is not None:
        p_permutation = p_from_counts(*tails, permutations)
        p_permutation[alone] = np.nan
    q, family = family_q(p_permutation if permutations else p_two_sided, fdr)
    cards = w.cardinalities
    # C(n - 1, k) grows up to k = (n - 1) / 2, so the first few k tell.
    sets = np.array([math.comb(w.n - 1, k) for k in range(5)])
    few = sets[np.minimum(np.minimum(cards, w.n - 1 - cards), 4)] < _SETS
    stuck = int((few & (cards > 0)).sum())
    if stuck:
        warnings = [
            *warnings,
            f"{stuck} units have fewer than {_SETS} possible sets of neighbours and cannot reach "
            "p = 0.05",
        ]
    return LocalResult(
        name=name,
        statistic=statistic,
        expected=expected,
        variance=variance,
        z=z,
        p_two_sided=p_two_sided,
        p_permutation=p_permutation,
        q=q,
        family=family,
        fdr=fdr,
        quadrant=quadrant,
        n=w.n,
        isolates=alone,
        null=null,
        permutations=permutations,
        seed=seed,
        warnings=(*isolate_warnings(w), *warnings, *draw_warnings(permutations, family)),
    )


def _quadrants(own: Floats, lag: Floats) -> NDArray[np.int8]:
    """1 HH, 2 LH, 3 LL, 4 HL, 0 for isolates and values exactly at the mean."""
    # Rows: own below, at, above the mean; columns: the neighbours likewise.
    names = np.array([[3, 0, 2], [0, 0, 0], [4, 0, 1]], dtype=np.int8)
    side, around = ((part >= 0).view(np.int8) + (part > 0) for part in (own, lag))
    return names.ravel()[3 * side + around]


def _tails(
    x: Floats,
    w: W,
    lag: Floats,
    permutations: int,
    rng: np.random.Generator | None,
    *,
    difference: bool = False,
) -> tuple[Ints, Ints] | None:
    if not permutations:
        return None
    assert rng is not None
    return ConditionalTails(x, w, lag, difference=difference).run(permutations, rng)


def _factored(
    tails: tuple[Ints, Ints] | None, factor: Floats, permutations: int
) -> tuple[Ints, Ints] | None:
    """Tails of factor_i times the sum: all draws are tied where the factor is zero."""
    if tails is None:
        return None
    larger, smaller = tails
    # A two-sided p does not ask which tail is which, so a negative factor needs no exchange.
    flat = factor == 0
    if flat.any():
        larger, smaller = np.where(flat, permutations, tails)
    return larger, smaller


def local_moran(
    y: ArrayLike,
    w: W,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
    *,
    fdr: Fdr = "bh",
) -> LocalResult:
    r"""Find units and neighbours that deviate to the same side, or to opposite ones (local Moran).

    .. math:: I_i = \frac{z_i}{\sum_k z_k^2 / n} \sum_j w_{ij} z_j, \quad z_i = y_i - \bar y

    as spdep computes it (esda divides by n - 1 instead of n).

    Parameters
    ----------
    y : array_like, shape (n,)
        One finite value for each unit; a Series must carry the ids of `w`.
    w : W
        Spatial weights, usually row-standardised.
    permutations : int
        Draws of the conditional permutation test; 0 for moments alone.
    rng : numpy.random.Generator, optional
        Needed when ``permutations > 0``.
    fdr : {"bh", "by"}
        Adjustment that gives `q`, over all units with neighbours.

    Returns
    -------
    LocalResult
        Arrays of shape (n,), NaN for isolates; moments under the same conditional null.

    Raises
    ------
    InvalidArgument
        Values that are not finite numbers or not in step with `w`; no `rng`.
    UndefinedStatistic
        Constant values, or weights without a link.
    TooFewUnits
        No arrangement of the values can reach p = 0.05.

    References
    ----------
    Anselin, L. (1995), Geographical Analysis 27:93-115. Sokal, R. R., Oden, N. L. & Thomson,
    B. A. (1998), Geographical Analysis 30:331-354 (conditional moments).

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> local_moran([1, 2, 3, 4, 5], path, permutations=0).statistic.tolist()
    [1.0, 1.0, 0.0, 1.0, 1.0]
    """
    values = require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    z = require_variation(values, "y")
    return _local_moran(
        "local Moran's I",
        z,
        z,
        w,
        permutations,
        rng,
        fdr,
        "the unit keeps its value; its neighbours' values are drawn from all other units",
    )


def local_moran_bivariate(
    x: ArrayLike,
    y: ArrayLike,
    w: W,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
    *,
    fdr: Fdr = "bh",
) -> LocalResult:
    r"""Find where y is high around units with high, or with low, x (bivariate local Moran).

    .. math:: I_i = \frac{z^x_i}{s_x} \sum_j w_{ij} \frac{z^y_j}{s_y}, \quad
       s^2 = \sum_k z_k^2 / n

    Association of x and y within the unit is not looked at, and is not controlled for.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Values at the unit, and at its neighbours.
    w, permutations, rng, fdr
        As in :func:`local_moran`.

    Returns
    -------
    LocalResult
        With x = y the same as :func:`local_moran`.

    Raises
    ------
    InvalidArgument, UndefinedStatistic, TooFewUnits
        As in :func:`local_moran`, for x and y.

    References
    ----------
    Anselin, L., Syabri, I. & Smirnov, O. (2002), Visualizing multivariate spatial correlation
    with dynamically linked windows.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> local_moran_bivariate([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], path, 0).statistic.tolist()
    [-1.0, -1.0, 0.0, -1.0, -1.0]
    """
    first, second = require_values(x, w, "x"), require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    return _local_moran(
        "bivariate local Moran's I",
        require_variation(first, "x"),
        require_variation(second, "y"),
        w,
        permutations,
        rng,
        fdr,
        "the unit keeps its x and y; its neighbours' y are drawn from all other units",
    )


def _local_moran(
    name: str,
    zx: Floats,
    zy: Floats,
    w: W,
    permutations: int,
    rng: np.random.Generator | None,
    fdr: Fdr,
    null: str,
) -> LocalResult:
    """Univariate as the case in which both variables are one."""
    n = w.n
    seed = seed_of(rng) if permutations else None
    square = float(zy @ zy)
    factor = zx / np.sqrt(float(zx @ zx) / n * square / n)
    lag = w.lag(zy)
    # Means over the n - 1 others of deviations that sum to zero over all units.
    mean, variance = _linear_moments(w, -zy / (n - 1), (square - zy * zy) / (n - 1))
    tails = _tails(zy, w, lag, permutations, rng)
    return _result(
        name,
        factor * lag,
        factor * mean,
        factor * factor * variance,
        _factored(tails, factor, permutations),
        w,
        null,
        permutations,
        seed,
        fdr,
        _quadrants(zx, lag),
        [],
    )


def local_geary(
    y: ArrayLike,
    w: W,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
    *,
    fdr: Fdr = "bh",
) -> LocalResult:
    r"""Find units that differ little, or much, from their neighbours (local Geary).

    .. math:: c_i = \frac{1}{\sum_k z_k^2 / n} \sum_j w_{ij} (z_i - z_j)^2

    as esda computes it (spdep's variance divides by n - 1). Values below `expected` say that a
    unit is like its neighbours, be they high, low or near the mean.

    Parameters
    ----------
    y, w, permutations, rng, fdr
        As in :func:`local_moran`.

    Returns
    -------
    LocalResult
        `quadrant` tells high-high from low-low; the distribution is skewed, so trust
        `p_permutation` rather than `p_two_sided`.

    Raises
    ------
    InvalidArgument, UndefinedStatistic, TooFewUnits
        As in :func:`local_moran`.

    References
    ----------
    Anselin, L. (1995), Geographical Analysis 27:93-115; (2019), 51:133-150.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> local_geary([1, 2, 3, 4, 5], path, permutations=0).statistic.round(9).tolist()
    [0.5, 1.0, 1.0, 1.0, 0.5]
    """
    values = require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    deviations = require_variation(values, "y")
    n = w.n
    seed = seed_of(rng) if permutations else None
    z = deviations / np.sqrt(float(deviations @ deviations) / n)
    squares, cubes, fourths = float(n), float((z**3).sum()), float((z**4).sum())
    mean = (n * z * z + squares) / (n - 1)
    square = (n * z**4 + 6 * z * z * squares - 4 * z * cubes + fourths) / (n - 1)
    expected, variance = _linear_moments(w, mean, square)
    lag = w.lag(z)
    statistic = w.totals(w.values * (z[w.focal] - z[w.indices]) ** 2)
    return _result(
        "local Geary's c",
        statistic,
        expected,
        variance,
        _tails(z, w, lag, permutations, rng, difference=True),
        w,
        "the unit keeps its value; its neighbours' values are drawn from all other units",
        permutations,
        seed,
        fdr,
        _quadrants(z, lag),
        [],
    )


def _with_self(w: W, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum weights, their squares and weighted values where each unit counts itself.

    A unit weighs as much as its heaviest neighbour; rows that summed to one do so again
    (spdep: ``include.self`` before ``nb2listw``). Isolates stay without a link.
    """
    linked = np.flatnonzero(w.cardinalities)
    own = np.zeros(w.n)
    own[linked] = np.maximum.reduceat(w.values, w.indptr[linked])
    weight, squares, lag = w.row_sums + own, w.row_squares + own * own, w.lag(y) + own * y
    if w.is_row_standardised and not w.is_binary:
        scale = np.where(own > 0, weight, 1.0)
        return weight / scale, squares / scale**2, lag / scale
    return weight, squares, lag


def local_g(
    y: ArrayLike,
    w: W,
    star: bool = False,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
    *,
    fdr: Fdr = "bh",
) -> LocalResult:
    r"""Find where high values gather (hot spots) and where low ones do (Getis-Ord G and G*).

    .. math:: G_i = \frac{\sum_{j \ne i} w_{ij} y_j}{\sum_{j \ne i} y_j}, \quad
       G_i^* = \frac{\sum_j w_{ij} y_j}{\sum_j y_j}

    `statistic` is this ratio and `z` its standard deviate after Ord & Getis (1995), the value
    that spdep and most maps call G or G*. The permutation test keeps the unit's own value in
    both cases, so G and G* have the same `p_permutation`.

    Parameters
    ----------
    y : array_like, shape (n,)
        Values with a natural zero; with negative ones `statistic` says little, `z` and p hold.
    w : W
        Spatial weights without self-links, usually binary.
    star : bool
        Count the unit itself: with the weight of its heaviest neighbour; rows of
        row-standardised weights are made to sum to one again.
    permutations, rng, fdr
        As in :func:`local_moran`.

    Returns
    -------
    LocalResult
        The moments of G keep the unit's own value, those of G* do not (Ord & Getis). Isolates
        are NaN, for G* as well.

    Raises
    ------
    InvalidArgument, UndefinedStatistic, TooFewUnits
        As in :func:`local_moran`.

    References
    ----------
    Getis, A. & Ord, J. K. (1992), Geographical Analysis 24:189-206. Ord, J. K. & Getis, A.
    (1995), Geographical Analysis 27:286-306.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> local_g([1, 2, 3, 4, 5], path, permutations=0).statistic.round(3).tolist()
    [0.143, 0.308, 0.5, 0.727, 0.4]
    >>> local_g([1, 2, 3, 4, 5], path, star=True, permutations=0).statistic.round(3).tolist()
    [0.2, 0.4, 0.6, 0.8, 0.6]
    """
    values = require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    z = require_variation(values, "y")
    n = w.n
    seed = seed_of(rng) if permutations else None
    warnings = []
    if values.min() < 0:
        warnings.append("G is meant for values with a natural zero; some are negative")
    square, centre, around = float(z @ z), float(values.mean()), w.lag(z)
    if star:
        total = np.full(n, values.sum())
        weight, squares, lag = _with_self(w, values)
        expected = weight * centre
        spread = np.maximum(n * squares - weight * weight, 0.0) / (n - 1)
        variance = square / n * np.where(spread < 1e-12 * squares, 0.0, spread)
    else:
        total = values.sum() - values
        lag = around + w.row_sums * centre
        shift, variance = _linear_moments(w, -z / (n - 1), (square - z * z) / (n - 1))
        expected = w.row_sums * centre + shift
    result = _result(
        "Getis-Ord G*" if star else "Getis-Ord local G",
        lag,
        expected,
        variance,
        _tails(z, w, around, permutations, rng),
        w,
        "the unit keeps its value; its neighbours' values are drawn from all other units",
        permutations,
        seed,
        fdr,
        None,
        warnings,
    )
    # Deviates and p are those of the sums: they hold where the ratio is undefined.
    with np.errstate(invalid="ignore", divide="ignore"):
        return replace(
            result,
            statistic=result.statistic / total,
            expected=result.expected / total,
            variance=result.variance / total**2,
        )
