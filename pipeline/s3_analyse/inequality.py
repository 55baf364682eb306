"""How unevenly a specialisation lies over units: four indices, their bias, their interval.

All indices take the shares s of the units in the specialisation and x in the reference, each
summing to 1 along the last axis, and work on any number of leading axes (draws, specialisations).
``docs/methods-specialisation.md`` has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

INDICES = ("krugman", "hhi", "gini", "theil")
_UPPER = {"krugman": 2.0, "hhi": 1.0, "gini": 1.0, "theil": np.inf, "gamma": np.inf}
_LOWER = {"gamma": -np.inf}
_BLOCK = 8_000_000  # numbers held at a time


def krugman(s: Floats, x: Floats) -> Floats:
    r"""Krugman's dissimilarity :math:`\sum_u |s_u - x_u|`, 0 to 2.

    References
    ----------
    Krugman, P. (1991). Geography and Trade. MIT Press.

    Examples
    --------
    >>> float(krugman(np.array([1.0, 0.0]), np.array([0.5, 0.5])))
    1.0
    """
    return np.abs(s - x).sum(axis=-1)


def hhi(s: Floats) -> Floats:
    r"""Herfindahl-Hirschman index :math:`\sum_u s_u^2`, 1/U to 1.

    References
    ----------
    Hirschman, A. O. (1964). American Economic Review 54:761-762.

    Examples
    --------
    >>> float(hhi(np.array([0.5, 0.5, 0.0])))
    0.5
    """
    return (s**2).sum(axis=-1)


def theil(s: Floats, x: Floats) -> Floats:
    r"""Theil's relative entropy :math:`\sum_u s_u \ln(s_u / x_u)`, 0 where s = x.

    References
    ----------
    Theil, H. (1967). Economics and Information Theory. Brülhart, M. & Traeger, R. (2005).
    Regional Science and Urban Economics 35:597-624.

    Examples
    --------
    >>> float(theil(np.array([1.0, 0.0]), np.array([0.5, 0.5]))) == float(np.log(2))
    True
    """
    s, x = np.broadcast_arrays(s, x)
    ratio = np.divide(s, x, out=np.ones(s.shape), where=s > 0)
    return (s * np.log(ratio)).sum(axis=-1)


def gini(s: Floats, x: Floats) -> Floats:
    r"""Locational Gini: twice the area between the Lorenz curve of s over x and the diagonal.

    Equal to :math:`\frac{1}{2} \sum_u \sum_v x_u x_v |s_u / x_u - s_v / x_v|`. A unit with x = 0
    must have s = 0 and counts for nothing.

    References
    ----------
    Krugman, P. (1991). Geography and Trade. Kim, S. (1995). Quarterly Journal of Economics
    110:881-908.

    Examples
    --------
    >>> float(gini(np.array([1.0, 0.0]), np.array([0.25, 0.75])))
    0.75
    """
    s, x = np.broadcast_arrays(s, x)
    ratio = np.divide(s, x, out=np.zeros(s.shape), where=x > 0)
    order = np.argsort(ratio, axis=-1)
    s, x = np.take_along_axis(s, order, -1), np.take_along_axis(x, order, -1)
    below = np.cumsum(s, axis=-1)
    return 1.0 - (x * (2.0 * below - s)).sum(axis=-1)


def indices(s: Floats, x: Floats) -> dict[str, Floats]:
    """Return the four indices of :data:`INDICES` of the shares s in the reference x.

    Examples
    --------
    >>> found = indices(np.array([1.0, 0.0]), np.array([0.25, 0.75]))
    >>> {name: round(float(value), 3) for name, value in found.items()}
    {'krugman': 1.5, 'hhi': 1.0, 'gini': 0.75, 'theil': 1.386}
    """
    # Units without a share anywhere cost time and count for the first index alone.
    has = s.any(axis=tuple(range(s.ndim - 1)))
    rest = x[..., ~has].sum(axis=-1)
    s, x = s[..., has], x[..., has]
    return {
        "krugman": krugman(s, x) + rest,
        "hhi": hhi(s),
        "gini": gini(s, x),
        "theil": theil(s, x),
    }


def gamma(s: Floats, x: Floats, herfindahl: Floats) -> Floats:
    r"""Ellison-Glaeser gamma of shares; NaN where one firm or one unit holds everything.

    .. math:: \gamma = \frac{\sum (s - x)^2 / (1 - \sum x^2) - H}{1 - H}

    Here for resampled firms; :func:`pipeline.stats.concentration.ellison_glaeser` tests it.

    Examples
    --------
    >>> float(gamma(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array(0.5)))
    1.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = ((s - x) ** 2).sum(axis=-1) / (1.0 - (x**2).sum(axis=-1))
        value = (raw - herfindahl) / (1.0 - herfindahl)
    return np.where(np.isfinite(value), value, np.nan)


def expected_by_chance(
    members: Bools, size: Floats, x: Floats, draws: int, rng: np.random.Generator
) -> dict[str, Floats]:
    r"""Mean of each index when firms of these sizes fall on the units with chance x.

    This is what few firms alone make of an index: none is 0 by chance. For the
    Herfindahl-Hirschman index it is known, :math:`H + (1 - H) \sum x^2`; the others are
    averaged over `draws` throws.

    Parameters
    ----------
    members : array of bool, shape (n, m)
        Specialisations of each firm.
    size : array of float, shape (n,)
        Workers of each firm, > 0, or ones.
    x : array of float, shape (units,)
        Share of each unit in the reference.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to array of float, shape (m,)

    References
    ----------
    Ellison, G. & Glaeser, E. L. (1997). Journal of Political Economy 105:889-927.

    Examples
    --------
    >>> pair, half = np.ones((2, 1), dtype=bool), np.array([0.5, 0.5])
    >>> r = expected_by_chance(pair, np.ones(2), half, 400, np.random.default_rng(1))
    >>> r["hhi"].tolist(), bool(abs(r["krugman"][0] - 0.5) < 0.1)
    ([0.75], True)
    """
    (n, m), units = members.shape, x.size
    z = members * size[:, None]
    z = z / z.sum(axis=0)
    borders = np.cumsum(x)
    borders[-1] = 1.0
    block = max(1, _BLOCK // max(n, units))
    sums = {name: np.zeros(m) for name in INDICES}
    for begin in range(0, draws, block):
        some = min(block, draws - begin)
        where = np.searchsorted(borders, rng.random((some, n)), side="right")
        where += np.arange(some)[:, None] * units
        for kind, column in enumerate(members.T):
            cells, parts = where[:, column].ravel(), np.tile(z[column, kind], some)
            thrown = np.bincount(cells, parts, some * units).astype(np.float64)
            for name, values in indices(thrown.reshape(some, units), x).items():
                sums[name][kind] += values.sum()
    h = (z**2).sum(axis=0)
    return {name: value / draws for name, value in sums.items()} | {
        "hhi": h + (1.0 - h) * float((x**2).sum())
    }


def relabelled(
    unit: Ints, units: int, members: Bools, size: Floats, draws: int, rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """Yield blocks of shares of units when firms keep place and size and swap specialisations.

    The null for a specialisation that is much of its own reference: the dartboard throws it
    without moving the reference it is part of.

    Parameters
    ----------
    unit : array of int, shape (n,)
    units : int
    members : array of bool, shape (n, m)
        Whole sets are swapped.
    size : array of float, shape (n,)
    draws : int
    rng : numpy.random.Generator

    Yields
    ------
    s : array of float, shape (some draws, m, units)
        Share of each unit in each specialisation.
    h : array of float, shape (some draws, m)
        Herfindahl index of the sizes of its firms.

    Examples
    --------
    >>> held = np.array([[True], [True], [False], [False]])
    >>> ((s, h),) = relabelled(np.array([0, 0, 1, 1]), 2, held, np.ones(4), 3,
    ...                        np.random.default_rng(2))
    >>> s.shape, s.sum(axis=-1).tolist(), h.ravel().tolist()
    ((3, 1, 2), [[1.0], [1.0], [1.0]], [0.5, 0.5, 0.5])
    """
    n, m = members.shape
    block = max(1, _BLOCK // (n + m * units))
    for begin in range(0, draws, block):
        some = min(block, draws - begin)
        place = rng.permuted(np.tile(np.arange(n), (some, 1)), axis=1)
        row = np.arange(some)[:, None] * units
        s, h = np.empty((some, m, units)), np.empty((some, m))
        for kind, column in enumerate(members.T):
            firms = place[:, column]
            held = size[firms]
            total = held.sum(axis=1)
            cells = (unit[firms] + row).ravel()
            amounts = np.bincount(cells, held.ravel(), some * units).reshape(some, units)
            s[:, kind] = amounts / total[:, None]
            h[:, kind] = (held**2).sum(axis=1) / total**2
        yield s, h


def resampled(
    unit: Ints,
    units: int,
    members: Bools,
    size: Floats,
    draws: int,
    rng: np.random.Generator,
    x: Floats | None = None,
) -> Iterator[dict[str, Floats]]:
    """Yield blocks of the indices and gamma of firms drawn anew with replacement.

    Parameters
    ----------
    unit : array of int, shape (n,)
        Unit of each firm, 0 to units - 1.
    units : int
    members : array of bool, shape (n, m)
        Specialisations of each firm; a firm keeps its whole set, its size and its unit.
    size : array of float, shape (n,)
    draws : int
    rng : numpy.random.Generator
    x : array of float, shape (units,), optional
        Reference that stays as it is; without it the reference is that of the firms drawn.

    Yields
    ------
    dict of str to array of float, shape (some draws, m)
        NaN where a draw holds no firm of the specialisation.
    """
    n, m = members.shape
    firm, what = np.nonzero(members)
    place = sp.csr_array((np.ones(firm.size), (what * units + unit[firm], firm)), (m * units, n))
    whole = sp.csr_array((np.ones(n), (unit, np.arange(n))), (units, n))
    block = max(1, _BLOCK // (n + m * units))
    for begin in range(0, draws, block):
        some = min(block, draws - begin)
        picked = rng.integers(n, size=(some, n)) + np.arange(some)[:, None] * n
        times = np.bincount(picked.ravel(), minlength=some * n).reshape(some, n)
        held = (times * size).T
        amounts = (place @ held).T.reshape(some, m, units)
        total = amounts.sum(axis=-1)
        squares = (times * size**2) @ members
        with np.errstate(divide="ignore", invalid="ignore"):
            s = amounts / total[..., None]
            h = squares / total**2
        reference = (whole @ held).T / held.sum(axis=0)[:, None] if x is None else x[None, :]
        reference = reference[:, None, :]
        empty = total == 0
        s[empty], h[empty] = 0.0, 0.0
        found = indices(s, reference) | {"gamma": gamma(s, reference, h)}
        for values in found.values():
            values[empty] = np.nan
        yield found


def recentred_interval(
    name: str, value: Floats, draws: Floats, level: float = 0.95
) -> tuple[Floats, Floats]:
    r"""Return the bootstrap interval of an index, moved onto the value, cut to its range.

    :math:`\hat\theta + q_{\alpha/2} - \bar\theta^*` to
    :math:`\hat\theta + q_{1 - \alpha/2} - \bar\theta^*` with q the quantiles and
    :math:`\bar\theta^*` the mean of the draws. It is about the mean of the index over registers
    of as many firms, small-sample bias included, to be read beside :func:`expected_by_chance`.
    Resampling adds the bias of few firms once more, so that quantiles of the draws lie too high,
    and turning them around the value does not undo a bias that is not quadratic (measured in
    ``docs/methods-specialisation.md``). Gamma has no such bias.

    Parameters
    ----------
    name : str
        One of :data:`INDICES` or ``gamma``.
    value : array of float, shape (m,)
    draws : array of float, shape (draws, m)
        NaN in a draw without the specialisation.
    level : float

    References
    ----------
    Davison, A. C. & Hinkley, D. V. (1997). Bootstrap Methods and their Application, ch. 2, 5.

    Examples
    --------
    >>> draws = np.linspace(0.5, 0.7, 101)[:, None]
    >>> low, high = recentred_interval("gini", np.array([0.5]), draws)
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.405], [0.595])
    """
    tail = 50.0 * (1.0 - level)
    known = np.isfinite(draws).any(axis=0)
    low, high = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
    if known.any():
        held = draws[:, known]
        quantiles = np.nanpercentile(held, [tail, 100.0 - tail], axis=0)
        low[known], high[known] = value[known] + quantiles - np.nanmean(held, axis=0)
    lower, upper = _LOWER.get(name, 0.0), _UPPER[name]
    return np.clip(low, lower, upper), np.clip(high, lower, upper)
