"""Global autocorrelation: Moran, bivariate Moran, Geary and Getis-Ord G."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pipeline.contracts.errors import UndefinedStatistic
from pipeline.stats._lattice import (
    GlobalResult,
    deviates,
    isolate_warnings,
    require_values,
    require_variation,
)
from pipeline.stats._permute import Form, shuffled_forms
from pipeline.stats.inference import Floats, draw_warnings, p_from_counts, require_rng, seed_of
from pipeline.stats.weights import W

# Values of a form nearer than this many standard deviations are ties apart from rounding, which
# is that of single precision in large tests.
_TIE = 1e-6


def pair_variance(
    constants: tuple[float, float, float],
    mean: float,
    same: float,
    shared: float,
    disjoint: float,
) -> float:
    r"""Variance of :math:`\sum w_{ij} f(x_i, x_j)` over all permutations of x, f symmetric.

    Two pairs of units are the same, share one unit, or share none; these cases weigh
    :math:`S_1`, :math:`S_2 - 2 S_1` and :math:`S_0^2 - S_2 + S_1`. The arguments are the means
    of f and of its products over distinct units. Exact for asymmetric weights, too.
    """
    s0, s1, s2 = constants
    return s1 * same + (s2 - 2 * s1) * shared + (s0**2 - s2 + s1) * disjoint - (s0 * mean) ** 2


def _product_moments(z: Floats) -> tuple[float, float, float, float]:
    """Means of z_a z_b and of its products over distinct units, for deviations from the mean."""
    n = z.size
    m2, m4 = float((z**2).sum()), float((z**4).sum())
    mean = -m2 / (n * (n - 1))
    same = (m2**2 - m4) / (n * (n - 1))
    shared = (2 * m4 - m2**2) / (n * (n - 1) * (n - 2))
    disjoint = (3 * m2**2 - 6 * m4) / (n * (n - 1) * (n - 2) * (n - 3))
    return mean, same, shared, disjoint


def _square_moments(z: Floats) -> tuple[float, float, float, float]:
    """Means of (z_a - z_b)^2 and of its products over distinct units."""
    n = z.size
    m2, m4 = float((z**2).mean()), float((z**4).mean())
    mean = 2 * n * m2 / (n - 1)
    same = n * (2 * m4 + 6 * m2**2) / (n - 1)
    # Means over all ordered units, repeated ones included, then without the repeated ones.
    # Of (a-b)^2 (a-c)^2: b = c gives the square of one pair, all else zero.
    everything = m4 + 3 * m2**2
    shared = (n**2 * everything - (n - 1) * same) / ((n - 1) * (n - 2))
    total = 4 * m2**2
    pairs = 2 * (n - 1) * n * same + 4 * n * (n - 1) * (n - 2) * shared
    disjoint = (n**4 * total - pairs) / (n * (n - 1) * (n - 2) * (n - 3))
    return mean, same, shared, disjoint


def _result(
    name: str,
    statistic: float,
    expected: float,
    variance: float,
    simulated: Floats,
    w: W,
    null: str,
    seed: str | None,
    warnings: list[str],
) -> GlobalResult:
    z, p = deviates(np.array(statistic), np.array(expected), np.array(variance))
    if not variance > 0:
        warnings = [*warnings, "the statistic is the same for every permutation"]
    p_permutation = float("nan")
    if simulated.size:
        tie = _TIE * np.sqrt(max(variance, 0.0)) + 1e-13 * abs(statistic)
        p_permutation = float(
            p_from_counts(
                (simulated >= statistic - tie).sum(),
                (simulated <= statistic + tie).sum(),
                simulated.size,
            )
        )
    return GlobalResult(
        name=name,
        statistic=statistic,
        expected=expected,
        variance=variance,
        z=float(z),
        p_two_sided=float(p),
        p_permutation=p_permutation,
        simulated=simulated,
        n=w.n,
        isolates=int(w.isolates.size),
        null=null,
        permutations=simulated.size,
        seed=seed,
        warnings=(*isolate_warnings(w), *warnings, *draw_warnings(simulated.size)),
    )


_ALL_ORDERS = "every assignment of the observed values to the units is equally likely"


def _simulate(
    values: Floats, form: Form, permutations: int, rng: np.random.Generator | None
) -> Floats:
    if not permutations:
        return np.empty(0)
    assert rng is not None
    return shuffled_forms(values, form, permutations, rng)


def moran(
    y: ArrayLike, w: W, permutations: int = 9999, rng: np.random.Generator | None = None
) -> GlobalResult:
    r"""Measure whether neighbours deviate from the mean to the same side (Moran's I).

    .. math:: I = \frac{n}{S_0} \frac{\sum_{ij} w_{ij} z_i z_j}{\sum_i z_i^2},
       \quad z_i = y_i - \bar y

    Parameters
    ----------
    y : array_like, shape (n,)
        One finite value for each unit; a Series must carry the ids of `w`.
    w : W
        Spatial weights. Isolates count in n and in the mean (spdep: ``adjust.n=FALSE``).
    permutations : int
        Draws of the permutation test; 0 for moments alone.
    rng : numpy.random.Generator, optional
        Needed when ``permutations > 0``.

    Returns
    -------
    GlobalResult
        `expected` is -1/(n - 1); `variance` is exact under randomisation.

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
    Moran, P. A. P. (1950), Biometrika 37:17-23. Cliff, A. D. & Ord, J. K. (1981), Spatial
    Processes, ch. 2.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> moran([1, 2, 3, 4, 5], path, permutations=0).statistic
    0.5
    """
    values = require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    z = require_variation(values, "y")
    n, (s0, _, _) = w.n, w.constants
    scale = n / (s0 * float(z @ z))
    variance = pair_variance(w.constants, *_product_moments(z)) * scale**2
    seed = seed_of(rng) if permutations else None
    none = np.zeros(n)
    simulated = _simulate(z, Form(w, 1.0, none, none), permutations, rng) * scale
    return _result(
        "Moran's I",
        float(z @ w.lag(z)) * scale,
        -1.0 / (n - 1),
        variance,
        simulated,
        w,
        _ALL_ORDERS,
        seed,
        [],
    )


def moran_bivariate(
    x: ArrayLike,
    y: ArrayLike,
    w: W,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
) -> GlobalResult:
    r"""Measure whether x is high where the neighbours' y is high (bivariate Moran).

    .. math:: I_{xy} = \frac{n}{S_0}
       \frac{\sum_{ij} w_{ij} z^x_i z^y_j}{\sqrt{\sum_i (z^x_i)^2 \sum_i (z^y_i)^2}}

    The null moves y over the units and keeps x, so a mere correlation of x and y within units,
    together with autocorrelation of either, also makes it significant.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Values at the unit, and at its neighbours.
    w, permutations, rng
        As in :func:`moran`.

    Returns
    -------
    GlobalResult
        `expected` is 0; `variance` is exact over all permutations of y with x kept.

    Raises
    ------
    InvalidArgument, UndefinedStatistic, TooFewUnits
        As in :func:`moran`, for x and y.

    References
    ----------
    Wartenberg, D. (1985), Geographical Analysis 17:263-283. Lee, S.-I. (2001), Journal of
    Geographical Systems 3:369-385 (its limits).

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> moran_bivariate([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], path, permutations=0).statistic
    -0.5
    """
    first, second = require_values(x, w, "x"), require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    zx, zy = require_variation(first, "x"), require_variation(second, "y")
    n, (s0, _, _) = w.n, w.constants
    square = float(zy @ zy)
    scale = n / (s0 * float(np.sqrt(zx @ zx * square)))
    received = w.received(zx)
    variance = float(np.var(received)) * n * square / (n - 1) * scale**2
    seed = seed_of(rng) if permutations else None
    form = Form(w, 0.0, received, np.zeros(n))
    simulated = _simulate(zy, form, permutations, rng) * scale
    return _result(
        "bivariate Moran's I",
        float(received @ zy) * scale,
        0.0,
        variance,
        simulated,
        w,
        "x stays; every assignment of the observed y to the units is equally likely",
        seed,
        [],
    )


def geary(
    y: ArrayLike, w: W, permutations: int = 9999, rng: np.random.Generator | None = None
) -> GlobalResult:
    r"""Measure how much neighbours differ, beside any two units (Geary's C; below 1: alike).

    .. math:: C = \frac{n - 1}{2 S_0} \frac{\sum_{ij} w_{ij} (y_i - y_j)^2}{\sum_i z_i^2}

    Parameters
    ----------
    y, w, permutations, rng
        As in :func:`moran`.

    Returns
    -------
    GlobalResult
        `expected` is 1; `variance` is exact under randomisation.

    Raises
    ------
    InvalidArgument, UndefinedStatistic, TooFewUnits
        As in :func:`moran`.

    References
    ----------
    Geary, R. C. (1954), The Incorporated Statistician 5:115-145. Cliff & Ord (1981), ch. 2.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> geary([1, 2, 3, 4, 5], path, permutations=0).statistic
    0.2
    """
    values = require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    z = require_variation(values, "y")
    n, (s0, _, _) = w.n, w.constants
    scale = (n - 1) / (2.0 * s0 * float(z @ z))
    variance = pair_variance(w.constants, *_square_moments(z)) * scale**2
    seed = seed_of(rng) if permutations else None
    form = Form(w, -2.0, np.zeros(n), w.degrees)
    simulated = _simulate(z, form, permutations, rng) * scale
    differences = float(w.values @ (z[w.focal] - z[w.indices]) ** 2)
    return _result(
        "Geary's C", differences * scale, 1.0, variance, simulated, w, _ALL_ORDERS, seed, []
    )


def getis_ord_g(
    y: ArrayLike, w: W, permutations: int = 9999, rng: np.random.Generator | None = None
) -> GlobalResult:
    r"""Measure whether high values lie beside high ones (Getis-Ord general G).

    .. math:: G = \frac{\sum_{ij} w_{ij} y_i y_j}{\sum_{i \ne j} y_i y_j}

    Parameters
    ----------
    y : array_like, shape (n,)
        Values with a natural zero; negative ones are warned about.
    w, permutations, rng
        As in :func:`moran`; binary weights are usual.

    Returns
    -------
    GlobalResult
        `expected` is S0 / (n (n - 1)); `variance` is exact under randomisation.

    Raises
    ------
    InvalidArgument, UndefinedStatistic, TooFewUnits
        As in :func:`moran`; also undefined where the products of all pairs sum to zero.

    References
    ----------
    Getis, A. & Ord, J. K. (1992), Geographical Analysis 24:189-206.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(5, [0, 1, 2, 3], [1, 2, 3, 4], both_ways=True)
    >>> round(getis_ord_g([1, 2, 3, 4, 5], path, permutations=0).statistic, 4)
    0.4706
    """
    values = require_values(y, w, "y")
    rng = require_rng(rng, permutations)
    z = require_variation(values, "y")
    n, (s0, _, s2) = w.n, w.constants
    mean, square, cube = values.mean(), float(z @ z), float((z**3).sum())
    everything = float(values.sum()) ** 2 - float(values @ values)
    if abs(everything) <= 1e-12 * float(values @ values):
        raise UndefinedStatistic(
            "y: expected values whose products over all pairs do not cancel, found a sum of "
            f"{everything:g}. G is meant for values with a natural zero"
        )
    warnings = []
    if values.min() < 0:
        warnings.append("G is meant for values with a natural zero; some are negative")
    # y = mean + z splits the form into a constant, a linear and a quadratic part; their exact
    # moments do not cancel when the mean is large.
    linear = (s2 - 4 * s0**2 / n) * square / (n - 1)
    crossed = -s2 * cube / (n * (n - 1))
    crossed += (2 * s0**2 - s2) * 2 * cube / (n * (n - 1) * (n - 2))
    quadratic = pair_variance(w.constants, *_product_moments(z))
    variance = (mean**2 * linear + 2 * mean * crossed + quadratic) / everything**2
    seed = seed_of(rng) if permutations else None
    form = Form(w, 1.0, mean * w.degrees, np.zeros(n))
    simulated = (mean**2 * s0 + _simulate(z, form, permutations, rng)) / everything
    return _result(
        "Getis-Ord G",
        float(values @ w.lag(values)) / everything,
        s0 / (n * (n - 1)),
        variance,
        simulated,
        w,
        _ALL_ORDERS,
        seed,
        warnings,
    )
