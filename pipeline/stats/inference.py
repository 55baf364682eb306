"""What every statistic of this package shares: chance, p-values, many tests, checks.

Randomness comes in only as a :class:`numpy.random.Generator`. Work that is split over chunks
or threads draws from :func:`spawn`, one child generator a chunk in a fixed order, so that one
seed gives one result however many workers there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, TooFewUnits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Below so many values a plain loop is done before scipy.special has been loaded (0.1 s).
_FEW = 20_000


def is_whole(value: object) -> bool:
    """Tell whether `value` is an integer, and not a truth value.

    Examples
    --------
    >>> is_whole(3), is_whole(np.int32(3)), is_whole(True), is_whole(3.0)
    (True, True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def require_rng(rng: np.random.Generator | None, permutations: int) -> np.random.Generator | None:
    """Return `rng`, or refuse when permutations are asked for without one.

    Parameters
    ----------
    rng : numpy.random.Generator or None
        Source of chance; a seed or the global state is not accepted.
    permutations : int
        Number of random draws asked for; 0 needs no generator.

    Raises
    ------
    InvalidArgument
        `permutations` negative or not whole; `rng` missing or not a ``Generator``.

    Examples
    --------
    >>> require_rng(None, 0) is None
    True
    """
    if not is_whole(permutations) or permutations < 0:
        raise InvalidArgument(f"permutations: expected a whole number >= 0, found {permutations!r}")
    if permutations and not isinstance(rng, np.random.Generator):
        raise InvalidArgument(
            "rng: expected a numpy.random.Generator because permutations > 0, "
            f"found {type(rng).__name__}. Pass numpy.random.default_rng(seed)"
        )
    return rng


def spawn(rng: np.random.Generator, n: int) -> list[np.random.Generator]:
    """Return `n` independent child generators, the same whatever the number of threads.

    Examples
    --------
    >>> [g.integers(10) for g in spawn(np.random.default_rng(1), 2)] == [
    ...     g.integers(10) for g in spawn(np.random.default_rng(1), 2)]
    True
    """
    return rng.spawn(n)


def stream(
    rng: np.random.Generator | None, permutations: int, *, needed: bool = False
) -> tuple[np.random.Generator | None, str | None]:
    """Take from `rng` a generator for one analysis, and describe it as :func:`seed_of` does.

    Parameters
    ----------
    rng, permutations
        As in :func:`require_rng`.
    needed : bool
        Chance comes in without permutations, too.

    Returns
    -------
    generator, description
        None twice where no chance comes in.

    Raises
    ------
    InvalidArgument
        As :func:`require_rng`.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> stream(rng, 99)[1], stream(rng, 99)[1]
    ('PCG64(entropy=7, spawn_key=(), children=0)', 'PCG64(entropy=7, spawn_key=(), children=1)')
    """
    require_rng(rng, permutations)
    if not permutations and not needed:
        return None, None
    if not isinstance(rng, np.random.Generator):
        raise InvalidArgument(
            "rng: expected a numpy.random.Generator because ties are broken at random, "
            f"found {type(rng).__name__}. Pass numpy.random.default_rng(seed)"
        )
    seed = seed_of(rng)
    return spawn(rng, 1)[0], seed


def seed_of(rng: np.random.Generator | None) -> str | None:
    """Describe the generator so that a result can be drawn again.

    The count of children already spawned tells apart two analyses made with one generator.

    Returns
    -------
    str or None
        Bit generator, entropy and spawn key of its seed sequence; None without a generator.

    Examples
    --------
    >>> seed_of(np.random.default_rng(7))
    'PCG64(entropy=7, spawn_key=(), children=0)'
    """
    if rng is None:
        return None
    sequence = rng.bit_generator.seed_seq
    kind = type(rng.bit_generator).__name__
    if not isinstance(sequence, np.random.SeedSequence):
        return f"{kind}(unknown)"
    return (
        f"{kind}(entropy={sequence.entropy}, spawn_key={sequence.spawn_key}, "
        f"children={sequence.n_children_spawned})"
    )


def p_from_counts(larger_or_equal: ArrayLike, smaller_or_equal: ArrayLike, draws: int) -> Floats:
    r"""Two-sided permutation p-value from the counts in both tails.

    .. math:: p = \min(1, 2 \min(\frac{L+1}{R+1}, \frac{S+1}{R+1}))

    with L (S) of R draws at least as large (small) as the observed value.

    Parameters
    ----------
    larger_or_equal, smaller_or_equal : array_like of int, any shape
        Draws >= and <= the observed value; ties count in both.
    draws : int
        Number of draws R > 0.

    References
    ----------
    Davison, A. C. & Hinkley, D. V. (1997). Bootstrap Methods and their Application, ch. 4.

    Examples
    --------
    >>> float(p_from_counts(0, 99, 99))
    0.02
    """
    upper = (np.asarray(larger_or_equal, dtype=np.float64) + 1.0) / (draws + 1.0)
    lower = (np.asarray(smaller_or_equal, dtype=np.float64) + 1.0) / (draws + 1.0)
    return np.minimum(1.0, 2.0 * np.minimum(upper, lower))


def mid_p_from_counts(
    larger_or_equal: ArrayLike, smaller_or_equal: ArrayLike, draws: int
) -> Floats:
    """Two-sided mid-p from the counts of :func:`p_from_counts`: ties count half in each tail.

    For discrete statistics, beside p: not conservative, and not guaranteed to keep the level.

    Examples
    --------
    >>> float(p_from_counts(60, 59, 99)), float(mid_p_from_counts(10, 99, 99))
    (1.0, 0.11)
    """
    larger = np.asarray(larger_or_equal, dtype=np.float64) + 1.0
    smaller = np.asarray(smaller_or_equal, dtype=np.float64) + 1.0
    half = (larger + smaller - (draws + 1.0)) / 2.0  # of the ties, the observed value among them
    return np.minimum(1.0, 2.0 * (np.minimum(larger, smaller) - half) / (draws + 1.0))


def p_from_z(z: ArrayLike) -> Floats:
    """Two-sided p-value of a standard normal deviate; NaN stays NaN.

    Examples
    --------
    >>> p_from_z([0.0, 1.959964, np.nan]).round(6).tolist()
    [1.0, 0.05, nan]
    """
    scaled = np.abs(np.asarray(z, dtype=np.float64)) / math.sqrt(2.0)
    if scaled.size <= _FEW:
        return np.array([math.erfc(v) for v in scaled.ravel().tolist()]).reshape(scaled.shape)
    from scipy.special import erfc

    return erfc(scaled)


@dataclass(frozen=True, eq=False)
class ExactP:
    """Exact p-values of counts: both tails, two-sided, and two-sided mid-p (arrays alike)."""

    upper: Floats
    lower: Floats
    two_sided: Floats
    mid: Floats


def hypergeometric_law(population: int, marked: int, draws: int) -> tuple[int, Floats]:
    """Probabilities of the possible counts of marked units in a draw without replacement.

    Returns
    -------
    least : int
        Smallest possible count.
    probabilities : array of float
        Of `least` and all counts above it that are possible.

    Examples
    --------
    >>> least, f = hypergeometric_law(4, marked=3, draws=2)
    >>> least, f.round(3).tolist()
    (1, [0.5, 0.5])
    """
    least, most = max(0, draws - (population - marked)), min(marked, draws)
    v = np.arange(least, most, dtype=np.float64)
    # Ratios of neighbouring probabilities keep full precision where factorials do not.
    ratio = (marked - v) * (draws - v) / ((v + 1) * (population - marked - draws + v + 1))
    logs = np.concatenate([[0.0], np.cumsum(np.log(ratio))])
    f = np.exp(logs - logs.max())
    return least, f / f.sum()


def hypergeometric_p(
    observed: ArrayLike, population: int, marked: ArrayLike, draws: ArrayLike
) -> ExactP:
    r"""Exact p-values of a count drawn without replacement.

    With :math:`f` the hypergeometric probability of :math:`x` marked units among `draws` out
    of `population` with `marked` ones, upper :math:`= P(X \ge x)`, lower
    :math:`= P(X \le x)`, two-sided :math:`= \min(1, 2 \min(upper, lower))`. The mid-p takes
    only half of :math:`f(x)` into each tail; it is not conservative for discrete counts, and
    not guaranteed to keep the level.

    Parameters
    ----------
    observed, marked, draws : array_like of int, shapes that broadcast
        Count found, marked units in the population, size of the draw.
    population : int
        Units drawn from.

    Raises
    ------
    InvalidArgument
        Counts that no such draw can give.

    References
    ----------
    Lancaster, H. O. (1961), JASA 56:223-234 (mid-p). Anselin & Li (2019), Journal of
    Geographical Systems 21:189-210 (local join counts).

    Examples
    --------
    >>> p = hypergeometric_p([2], population=4, marked=2, draws=2)
    >>> p.upper.round(4).tolist(), p.two_sided.round(4).tolist(), p.mid.round(4).tolist()
    ([0.1667], [0.3333], [0.1667])
    """
    x, m, d = np.broadcast_arrays(*(np.asarray(v, np.int64) for v in (observed, marked, draws)))
    least, most = np.maximum(0, d - (population - m)), np.minimum(m, d)
    possible = (x >= least) & (x <= most) & (m >= 0) & (d >= 0)
    if not (possible & (m <= population) & (d <= population)).all():
        raise InvalidArgument("observed: expected counts that a draw of this size can give")
    upper, lower, here = np.empty(x.shape), np.empty(x.shape), np.empty(x.shape)
    cases, which = np.unique(np.stack([m.ravel(), d.ravel()]), axis=1, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    bounds = np.searchsorted(which.ravel()[order], np.arange(cases.shape[1] + 1))
    flat = x.ravel()
    for case, (successes, size) in enumerate(cases.T.tolist()):
        rows = order[bounds[case] : bounds[case + 1]]
        start, f = hypergeometric_law(population, successes, size)
        at = flat[rows] - start
        here.ravel()[rows] = f[at]
        lower.ravel()[rows] = np.cumsum(f)[at]
        upper.ravel()[rows] = np.cumsum(f[::-1])[::-1][at]
    upper, lower = np.minimum(upper, 1.0), np.minimum(lower, 1.0)
    both = np.minimum(1.0, 2.0 * np.minimum(upper, lower))
    mid = np.minimum(1.0, 2.0 * np.minimum(upper, lower) - here)
    return ExactP(upper, lower, both, mid)


def arrangements(values: ArrayLike, strata: Ints | None = None) -> float:
    """Count the distinct orders of `values`: n! over the factorials of the tied groups.

    Within `strata` (a number a unit) it is the product of the counts of each stratum.

    Examples
    --------
    >>> round(arrangements([1, 1, 2, 3])), round(arrangements([1, 1, 2, 3], np.array([0, 0, 1, 1])))
    (12, 2)
    """
    array = np.asarray(values)
    log = 0.0
    for part in [array] if strata is None else [array[strata == s] for s in np.unique(strata)]:
        _, counts = np.unique(part, return_counts=True)
        log += math.lgamma(part.size + 1) - sum(math.lgamma(c + 1) for c in counts.tolist())
    return round(math.exp(log), 6) if log < 700 else math.inf


def adjust(p: ArrayLike, method: Literal["bh", "by"] = "bh") -> tuple[Floats, int]:
    """q-values of a family of tests, and the size of the family.

    Parameters
    ----------
    p : array_like of float, any shape
        p-values in [0, 1]; NaN marks a unit that was not tested and is not in the family.
    method : {"bh", "by"}
        Benjamini-Hochberg (independent or positively dependent tests) or Benjamini-Yekutieli
        (any dependence).

    Returns
    -------
    q : array of float, shape of `p`
        Smallest false discovery rate at which each test is rejected; NaN where `p` is.
    family : int
        Number of tests in the family.

    Raises
    ------
    InvalidArgument
        A p-value outside [0, 1], or an unknown method.

    References
    ----------
    Benjamini & Hochberg (1995), JRSS B 57:289-300. Benjamini & Yekutieli (2001), Annals of
    Statistics 29:1165-1188.

    Examples
    --------
    >>> q, family = adjust([0.01, 0.04, 0.03, np.nan])
    >>> q.round(3).tolist(), family
    ([0.03, 0.04, 0.04, nan], 3)
    """
    if method not in ("bh", "by"):
        raise InvalidArgument(f"method: expected 'bh' or 'by', found {method!r}")
    values = np.asarray(p, dtype=np.float64)
    tested = ~np.isnan(values)
    flat = values[tested]
    order = np.argsort(flat)
    flat = flat[order]
    if flat.size and (flat[0] < 0 or flat[-1] > 1):
        raise InvalidArgument("p: expected values in [0, 1]")
    family = int(flat.size)
    q = np.full(values.shape, np.nan)
    if family:
        factor = family / np.arange(1.0, family + 1.0)
        if method == "by":
            factor *= (1.0 / np.arange(1, family + 1)).sum()
        stepped = np.minimum.accumulate((flat * factor)[::-1])[::-1]
        adjusted = np.empty(family)
        adjusted[order] = np.minimum(stepped, 1.0)
        q[tested] = adjusted
    return q, family


def pool(results: Iterable[Any], method: Literal["bh", "by"] = "bh") -> list[Any]:
    """Give several local results one family: q-values over all their units together.

    Parameters
    ----------
    results : iterable of results with fields ``q``, ``family``, ``fdr`` and property ``p``
        For example one local Moran for each specialisation.
    method : {"bh", "by"}
        As in :func:`adjust`.

    Returns
    -------
    list
        The results in their order, with ``q`` and ``family`` of the pooled family.

    Examples
    --------
    >>> from pipeline.stats import autocorrelation, weights
    >>> w = weights.from_pairs(6, [0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4])
    >>> one = autocorrelation.local_moran([1, 2, 3, 4, 5, 9], w, permutations=0)
    >>> [r.family for r in pool([one, one])]
    [12, 12]
    """
    all_ = list(results)
    if not all_:
        raise InvalidArgument("results: expected at least one")
    q, family = adjust(np.concatenate([r.p for r in all_]), method)
    stops = np.cumsum([r.p.size for r in all_])[:-1]
    return [
        replace(r, q=part, family=family, fdr=method)
        for r, part in zip(all_, np.split(q, stops), strict=True)
    ]


def draw_warnings(permutations: int, family: int = 1) -> list[str]:
    """Say when too few permutations make the smallest p, or q of a lone test, exceed 0.05.

    Examples
    --------
    >>> draw_warnings(19)
    ['19 permutations cannot give a two-sided p below 0.1; 39 or more can give 0.05']
    >>> draw_warnings(999, family=100)
    ['the smallest two-sided p of 999 permutations is 0.002: in a family of 100 tests q <= 0.05 \
needs at least 4 of them at that floor']
    """
    if not permutations:
        return []
    floor = 2.0 / (permutations + 1)
    if floor > 0.05:
        return [
            f"{permutations} permutations cannot give a two-sided p below {floor:.3g}; 39 or more "
            "can give 0.05"
        ]
    needed = int(np.ceil(floor * family / 0.05))
    if needed > 1:
        return [
            f"the smallest two-sided p of {permutations} permutations is {floor:.2g}: in a family "
            f"of {family} tests q <= 0.05 needs at least {needed} of them at that floor"
        ]
    return []


def require_attainable(arrangements: float, alpha: float = 0.05) -> None:
    """Refuse a test whose smallest two-sided p-value lies above `alpha`.

    Parameters
    ----------
    arrangements : float
        Number of distinct arrangements under the null (``math.inf`` for very many).
    alpha : float
        Level that must be within reach.

    Raises
    ------
    TooFewUnits
        ``2 / arrangements > alpha``.

    Examples
    --------
    >>> require_attainable(math.factorial(4))
    Traceback (most recent call last):
    ...
    pipeline.contracts.errors.TooFewUnits: the null has only 24 arrangements, so a two-sided p \
cannot fall below 0.0833; expected at least 40 for p <= 0.05
    """
    if 2.0 / arrangements > alpha:
        raise TooFewUnits(
            f"the null has only {arrangements:.0f} arrangements, so a two-sided p cannot fall "
            f"below {2.0 / arrangements:.4f}; expected at least {math.ceil(2.0 / alpha)} "
            f"for p <= {alpha:g}"
        )


def require_vector(values: ArrayLike, name: str, n: int | None = None) -> Floats:
    """Return `values` as a finite float vector, or say what is wrong with it.

    Raises
    ------
    InvalidArgument
        Not one-dimensional, not `n` long, NaN or infinite.

    Examples
    --------
    >>> require_vector([1, 2], "y", n=2)
    array([1., 2.])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name}: expected numbers, found {values!r:.60}") from error
    if array.ndim != 1:
        raise InvalidArgument(f"{name}: expected one dimension, found shape {array.shape}")
    if n is not None and array.size != n:
        raise InvalidArgument(f"{name}: expected {n} values (one per unit), found {array.size}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InvalidArgument(
            f"{name}: expected finite numbers, found {array[bad[0]]} at position {bad[0]} "
            f"({bad.size} in all). Drop or fill missing units first"
        )
    return array


def require_points(xy: ArrayLike, name: str = "xy") -> Floats:
    """Return `xy` as a finite (n, 2) array in a projected CRS (metres), or say what is wrong.

    Raises
    ------
    InvalidArgument
        Not of shape (n, 2), NaN or infinite.

    Examples
    --------
    >>> require_points([[0, 1], [2, 3]]).shape
    (2, 2)
    """
    try:
        array = np.asarray(xy, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{name}: expected coordinates, found {xy!r:.60}") from error
    if array.ndim != 2 or array.shape[1] != 2:
        raise InvalidArgument(f"{name}: expected shape (n, 2), found {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise InvalidArgument(
            f"{name}: expected finite coordinates, found {array[bad[0]].tolist()} at row {bad[0]} "
            f"({bad.size} in all)"
        )
    return np.ascontiguousarray(array)
