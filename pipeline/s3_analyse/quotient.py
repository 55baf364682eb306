"""Location quotients: score interval, empirical-Bayes shrinkage.

A register counts its firms completely, so no sampling error is meant. The population is the one
that could have been: in a unit each firm takes up the specialisation independently with the
unit's own probability (a superpopulation). ``docs/methods-specialisation.md`` says more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

Z95 = 1.959963984540054
_HALVINGS = 52  # more would round phi to 1


def _score(theta: Floats, p1: Floats, n1: Floats, p2: Floats, n2: Floats) -> Floats:
    """Score statistic of p1 = theta p2; positive where the ratio found is above theta."""
    x1, x2 = p1 * n1, p2 * n2
    a, b, c = (n1 + n2) * theta, -(n1 * theta + x1 + n2 + x2 * theta), x1 + x2
    null = 2.0 * c / (-b + np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0)))
    spread = theta * null * (1.0 - theta * null) / n1 + theta**2 * null * (1.0 - null) / n2
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (p1 - theta * p2) / np.sqrt(np.maximum(spread, 0.0))
    return np.where(np.isnan(z), 0.0, z)


def quotient_interval(
    share: ArrayLike,
    size: ArrayLike,
    rest_share: ArrayLike,
    rest_size: ArrayLike,
    weight: ArrayLike,
    z: float = Z95,
) -> tuple[Floats, Floats]:
    r"""Score interval of a location quotient whose reference includes the unit.

    With :math:`\theta` the ratio of the unit's probability to that of the rest of the reference
    and w the unit's weight in the reference,

    .. math:: LQ = \frac{\pi_u}{w \pi_u + (1 - w) \pi_r} = \frac{\theta}{w \theta + 1 - w},

    which rises with :math:`\theta` from 0 to 1/w. The interval is Koopman's score interval of
    :math:`\theta` carried over, so it allows for chance in the unit and in the rest and cannot
    leave the values an LQ can take.

    Parameters
    ----------
    share, rest_share : array_like of float, shapes that broadcast
        Share of the specialisation in the unit, and in the reference without the unit.
    size, rest_size : array_like of float
        Firms they are shares of, > 0; for shares of workers the effective number
        (sum w)^2 / sum w^2 (Kish 1965).
    weight : array_like of float
        Share of the unit in the reference, 0 < w < 1.
    z : float
        Normal quantile; 1.96 gives 95 %.

    Returns
    -------
    low, high : array of float

    References
    ----------
    Koopman, P. A. R. (1984). Biometrics 40:513-517. Kish, L. (1965). Survey Sampling.

    Examples
    --------
    >>> low, high = quotient_interval(0.5, 10, 0.1, 90, 0.1)  # 5 of 10, 9 of 90: LQ = 3.57
    >>> float(low.round(2)), float(high.round(2))
    (1.79, 5.53)
    """
    p1, n1, p2, n2, w = np.broadcast_arrays(
        *(np.asarray(one, dtype=np.float64) for one in (share, size, rest_share, rest_size, weight))
    )
    limits = []
    for target in (z, -z):
        # theta = phi / (1 - phi); the score falls with theta
        below, above = np.zeros(p1.shape), np.ones(p1.shape)
        for _ in range(_HALVINGS):
            phi = (below + above) / 2.0
            is_above = _score(phi / (1.0 - phi), p1, n1, p2, n2) > target
            below, above = np.where(is_above, phi, below), np.where(is_above, above, phi)
        phi = np.where(below == 0.0, 0.0, np.where(above == 1.0, 1.0, (below + above) / 2.0))
        limits.append(phi / (w * phi + (1.0 - w) * (1.0 - phi)))
    return limits[0], limits[1]


def shrinkage(share: Floats, size: Floats, reference: Floats) -> Floats:
    r"""How much of a unit's deviation from the reference a beta-binomial model keeps, 0 to 1.

    With :math:`\rho` the intraclass correlation of the specialisation within units,

    .. math:: B_u = \frac{n_u \rho}{1 + (n_u - 1) \rho}, \quad
        \rho = \frac{S / (m (1 - m)) - (k - 1)}{N - \sum n_u^2 / N - (k - 1)}, \quad
        S = \sum_u n_u (p_u - m)^2

    cut to 0..1, with m the reference share and N the sum of the k sizes. The posterior mean of
    the share is :math:`m + B_u (p_u - m)`, that of the location quotient
    :math:`1 + B_u (LQ_u - 1)`.

    Parameters
    ----------
    share : array of float, shape (k, m)
        Shares of m specialisations in k units.
    size : array of float, shape (k,)
        Firms, or effective number of firms, > 0.
    reference : array of float, shape (m,)

    Returns
    -------
    array of float, shape (k, m)

    References
    ----------
    Kleinman, J. C. (1973). Journal of the American Statistical Association 68:46-54.

    Examples
    --------
    >>> n = np.array([10.0, 10.0])
    >>> shrinkage(np.array([[0.7], [0.3]]), n, np.array([0.5])).round(3).tolist()
    [[0.764], [0.764]]
    >>> shrinkage(np.array([[0.5], [0.5]]), n, np.array([0.5])).tolist()
    [[0.0], [0.0]]
    """
    k, total = size.size, float(size.sum())
    spread = (size[:, None] * (share - reference) ** 2).sum(axis=0)
    room = total - float((size**2).sum()) / total - (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = (spread / (reference * (1.0 - reference)) - (k - 1)) / room
    # One firm a unit, or a specialisation of all firms, says nothing of the spread: keep nothing.
    rho = (
        np.clip(np.where(np.isfinite(rho), rho, 0.0), 0.0, 1.0) if room > 1e-9 else 0.0 * reference
    )
    n = size[:, None]
    return n * rho / (1.0 + (n - 1.0) * rho)
