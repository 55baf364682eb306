"""What every statistic of this package shares: chance, p-values, many tests, checks.

Randomness comes in only as a :class:`numpy.random.Generator`. Work that is split over chunks
or threads draws from :func:`spawn`, one child generator a chunk in a fixed order, so that one
seed gives one result however many workers there are.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, TooFewUnits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
    if isinstance(permutations, bool) or int(permutations) != permutations or permutations < 0:
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
    if ((flat < 0) | (flat > 1)).any():
        raise InvalidArgument("p: expected values in [0, 1]")
    family = int(flat.size)
    q = np.full(values.shape, np.nan)
    if family:
        order = np.argsort(flat, kind="stable")
        factor = family / np.arange(1, family + 1)
        if method == "by":
            factor = factor * (1.0 / np.arange(1, family + 1)).sum()
        stepped = np.minimum.accumulate((flat[order] * factor)[::-1])[::-1]
        adjusted = np.empty(family)
        adjusted[order] = np.minimum(stepped, 1.0)
        q[tested] = adjusted
    return q, family


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
