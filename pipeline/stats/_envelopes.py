"""Envelopes of simulated curves: pointwise, and global with one p-value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, TooFewUnits
from pipeline.stats.inference import p_from_counts

Floats = NDArray[np.float64]

TIE = 1e-9  # sums of the same terms in another order differ by rounding


@dataclass(frozen=True)
class Envelope:
    """Global rank envelope of one curve, with the pointwise one for comparison.

    ``lower, upper = envelope`` and ``numpy.asarray(envelope)`` give the global one.

    Parameters
    ----------
    lower, upper : array of float, shape (radii,)
        Global envelope: a curve from the null leaves it somewhere with probability `level`.
    pointwise_lower, pointwise_upper : array of float, shape (radii,)
        Quantiles at each radius alone: do not read a test off them.
    p_pointwise : array of float, shape (radii,)
        Two-sided permutation p at each radius alone.
    p_global : float
        One p-value for the whole curve (extreme rank length); below `level` exactly when the
        observed curve leaves the global envelope.
    level : float
    simulations : int
    """

    lower: Floats
    upper: Floats
    pointwise_lower: Floats
    pointwise_upper: Floats
    p_pointwise: Floats
    p_global: float
    level: float
    simulations: int

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.lower, self.upper))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, side: int) -> Floats:
        return (self.lower, self.upper)[side]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array([self.lower, self.upper], dtype=dtype)

    def outside(self, curve: ArrayLike) -> NDArray[np.bool_]:
        """Radii where `curve` is outside the global envelope."""
        values = np.asarray(curve, dtype=np.float64)
        slack = TIE * np.maximum(np.abs(self.lower), np.abs(self.upper))
        return (values < self.lower - slack) | (values > self.upper + slack)


def _rounded(curves: Floats) -> Floats:
    """Give values that differ by rounding alone the same value."""
    top = np.max(np.abs(curves), axis=0, initial=0.0)
    step = np.where(top > 0, 2.0 ** np.ceil(np.log2(np.where(top > 0, top, 1.0))) * 2.0**-34, 1.0)
    return np.round(curves / step)


def _mean_ranks(values: Floats) -> Floats:
    """Ranks 1 ... n, ties sharing their mean."""
    ordered = np.sort(values)
    before = np.searchsorted(ordered, values, side="left")
    after = np.searchsorted(ordered, values, side="right")
    return np.asarray(0.5 * (before + after + 1), dtype=np.float64)


def rank_envelope(observed: ArrayLike, simulated: ArrayLike, level: float = 0.05) -> Envelope:
    r"""Global rank envelope by extreme rank length, and its p-value.

    At each radius the 1 + R curves are ranked from the outside in,
    :math:`R_i(r) = \min(\mathrm{rank}_i(r), R + 2 - \mathrm{rank}_i(r))` with mean ranks for
    ties. Curves are then ordered by their sorted ranks, lexicographically: the curve with the
    most extreme rank, or with that rank at more radii, is the more extreme one. The p-value is
    the share of curves at least as extreme as the observed one (itself counted), and the
    envelope the hull of the curves that are not among the `level` most extreme.

    Parameters
    ----------
    observed : array_like of float, shape (radii,)
    simulated : array_like of float, shape (R, radii)
        Curves under the null, exchangeable with the observed one.
    level : float
        Global error, in (0, 1).

    Returns
    -------
    Envelope
        Radii where any curve is NaN are left out of the test and NaN in the envelopes.

    Raises
    ------
    InvalidArgument
        Shapes that do not fit, or `level` outside (0, 1).
    TooFewUnits
        So few simulations that p cannot reach `level`.

    References
    ----------
    Myllymäki, M., Mrkvička, T., Grabarnik, P., Seijo, H. & Hahn, U. (2017). Global envelope
    tests for spatial processes. JRSS B 79:381-404.
    Mrkvička, T., Myllymäki, M., Jílek, M. & Hahn, U. (2020). A one-way ANOVA test for functional
    data with graphical interpretation. Kybernetika 56:432-458 (extreme rank length).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> e = rank_envelope([3.0, 3.0], rng.random((99, 2)))
    >>> e.p_global, e.outside([3.0, 3.0]).tolist()
    (0.01, [True, True])
    """
    curve = np.asarray(observed, dtype=np.float64)
    others = np.asarray(simulated, dtype=np.float64)
    if curve.ndim != 1 or others.ndim != 2 or others.shape[1:] != curve.shape:
        raise InvalidArgument(
            "simulated: expected shape (simulations, radii) and observed (radii,), found "
            f"{others.shape} and {curve.shape}"
        )
    if not 0.0 < level < 1.0:
        raise InvalidArgument(f"level: expected a number in (0, 1), found {level!r}")
    draws = len(others)
    if draws + 1 < 1.0 / level:
        raise TooFewUnits(
            f"simulations: expected at least {int(np.ceil(1.0 / level)) - 1} for p <= {level:g}, "
            f"found {draws}"
        )
    curves = np.vstack([curve, others])
    usable = np.isfinite(curves).all(axis=0)
    values = _rounded(curves[:, usable])
    nothing = np.full(curve.size, np.nan)
    if not usable.any():
        return Envelope(nothing, nothing, nothing, nothing, nothing, float("nan"), level, draws)
    rank = np.column_stack([_mean_ranks(column) for column in values.T])
    extreme = np.sort(np.minimum(rank, draws + 2 - rank), axis=1)
    order = np.lexsort(extreme.T[::-1])
    new = np.ones(draws + 1, dtype=np.bool_)
    new[1:] = (extreme[order][1:] != extreme[order][:-1]).any(axis=1)
    # share of curves at least as extreme, equal ones counted
    group = np.cumsum(new) - 1
    as_extreme = np.cumsum(np.bincount(group))[group]
    share = np.empty(draws + 1)
    share[order] = as_extreme / (draws + 1)
    kept = curves[share > level] if (share > level).any() else curves

    larger = (values[1:] >= values[0]).sum(axis=0)
    smaller = (values[1:] <= values[0]).sum(axis=0)

    def spread(part: Floats) -> Floats:
        out = nothing.copy()
        out[usable] = part
        return out

    quantiles = np.quantile(curves[:, usable], [level / 2, 1 - level / 2], axis=0)
    return Envelope(
        lower=spread(kept[:, usable].min(axis=0)),
        upper=spread(kept[:, usable].max(axis=0)),
        pointwise_lower=spread(quantiles[0]),
        pointwise_upper=spread(quantiles[1]),
        p_pointwise=spread(p_from_counts(larger, smaller, draws)),
        p_global=float(share[0]),
        level=level,
        simulations=draws,
    )
