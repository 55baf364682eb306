"""Rates of unequal bases: empirical-Bayes standardisation and smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.stats._lattice import require_values, require_weights
from pipeline.stats.inference import Floats, require_vector
from pipeline.stats.weights import W


@dataclass(frozen=True, eq=False)
class Rates:
    """Rates of events over a base, raw, shrunken and standardised, each of shape (n,).

    Parameters
    ----------
    raw : array
        Events over base.
    shrunken : array
        Empirical-Bayes estimate: the raw rate drawn towards the mean, more so on a small base.
    standardised : array
        Deviation from the overall rate in standard deviations of a unit with this base; the
        variable for :func:`~pipeline.stats.autocorrelation.moran` and its local form. NaN when
        smoothed locally.
    mean, variance : array
        Prior mean and variance of the rates (equal for all units unless smoothed locally).
    n : int
        Units.
    warnings : tuple of str
        What a reader must know.
    """

    raw: Floats
    shrunken: Floats
    standardised: Floats
    mean: Floats
    variance: Floats
    n: int
    warnings: tuple[str, ...]


def _bases(events: ArrayLike, base: ArrayLike) -> tuple[Floats, Floats]:
    count = require_vector(events, "events")
    size = require_vector(base, "base", count.size)
    if count.size < 2:
        raise InvalidArgument(f"events: expected at least two units, found {count.size}")
    if (count < 0).any():
        raise InvalidArgument("events: expected counts >= 0, found a negative one")
    if (size <= 0).any():
        unit = int(np.flatnonzero(size <= 0)[0])
        raise InvalidArgument(
            f"base: expected numbers > 0, found {size[unit]:g} at position {unit}. A unit without "
            "a base has no rate: drop it first"
        )
    if not count.any():
        raise UndefinedStatistic("events: expected at least one event, found none")
    return count, size


def empirical_bayes(events: ArrayLike, base: ArrayLike) -> Rates:
    r"""Empirical-Bayes rates with one prior for all units.

    With raw rates :math:`r_i = e_i / b_i`, overall rate :math:`m = \sum e / \sum b` and
    :math:`s^2 = \sum b_i (r_i - m)^2 / \sum b`, the prior variance is
    :math:`a = s^2 - m / (\sum b / n)`. Shrunken (Marshall 1991; spdep ``EBest``, Poisson):
    :math:`m + (r_i - m) a / (a + m / b_i)` with a not below 0. Standardised (Assuncao & Reis
    1999; spdep ``EBImoran.mc``, esda ``assuncao_rate``): :math:`(r_i - m) / \sqrt{v_i}`,
    :math:`v_i = a + m / b_i`, or :math:`m / b_i` where that is not positive.

    Parameters
    ----------
    events, base : array_like, shape (n,)
        Counts, and what they are counted out of (> 0).

    Raises
    ------
    InvalidArgument
        Negative events, a base that is not positive, lengths that differ.
    UndefinedStatistic
        No events at all.

    References
    ----------
    Marshall, R. J. (1991), Applied Statistics 40:283-294. Assuncao, R. M. & Reis, E. A.
    (1999), Statistics in Medicine 18:2147-2162.

    Examples
    --------
    >>> r = empirical_bayes([1, 0, 30], [10, 10, 100])
    >>> r.raw.tolist(), r.shrunken.round(3).tolist()
    ([0.1, 0.0, 0.3], [0.244, 0.234, 0.279])
    """
    count, size = _bases(events, base)
    raw = count / size
    n = raw.size
    mean = float(count.sum() / size.sum())
    spread = float((size * (raw - mean) ** 2).sum() / size.sum())
    between = spread - mean / (float(size.sum()) / n)
    within = mean / size
    total = np.where(between + within > 0, between + within, within)
    prior = max(between, 0.0)
    warnings = []
    if between <= 0:
        warnings.append("the rates vary no more than their bases explain; all shrink to the mean")
    return Rates(
        raw=raw,
        shrunken=mean + (raw - mean) * prior / (prior + within),
        standardised=(raw - mean) / np.sqrt(total),
        mean=np.full(n, mean),
        variance=np.full(n, prior),
        n=n,
        warnings=tuple(warnings),
    )


def empirical_bayes_local(events: ArrayLike, base: ArrayLike, w: W) -> Rates:
    r"""Empirical-Bayes rates that shrink towards the unit's neighbourhood, itself included.

    As :func:`empirical_bayes` with sums over the unit and its neighbours in place of all units
    (Marshall 1991; spdep ``EBlocal(geoda=TRUE)``, which as here holds one mean for the whole
    neighbourhood). Links count equally. An isolate keeps its raw rate.

    Parameters
    ----------
    events, base : array_like, shape (n,)
        Counts, and what they are counted out of (> 0).
    w : W
        Spatial weights; only who is linked matters.

    Raises
    ------
    InvalidArgument, UndefinedStatistic
        As in :func:`empirical_bayes`; weights of another length or without a link.

    References
    ----------
    Marshall, R. J. (1991), Applied Statistics 40:283-294.

    Examples
    --------
    >>> from pipeline.stats import weights
    >>> path = weights.from_pairs(3, [0, 1], [1, 2], both_ways=True)
    >>> empirical_bayes_local([1, 0, 30], [10, 10, 100], path).shrunken.round(3).tolist()
    [0.05, 0.234, 0.286]
    """
    require_weights(w)
    count, size = _bases(require_values(events, w, "events"), require_values(base, w, "base"))
    links = w.binary()
    around = count + links.lag(count), size + links.lag(size)
    mean = around[0] / around[1]
    raw = count / size
    # sum b (r - m)^2 over the neighbourhood, expanded because m differs from unit to unit
    own = np.stack([size * raw**2, count, size])
    squares, events_, bases = (part + links.lag(part) for part in own)
    spread = np.maximum(squares - 2 * mean * events_ + mean**2 * bases, 0.0) / around[1]
    members = w.cardinalities + 1
    prior = np.maximum(spread - mean / (around[1] / members), 0.0)
    within = mean / size
    with np.errstate(invalid="ignore"):
        share = np.where(prior + within > 0, prior / (prior + within), 0.0)
    return Rates(
        raw=raw,
        shrunken=mean + (raw - mean) * share,
        standardised=np.full(w.n, np.nan),
        mean=mean,
        variance=prior,
        n=w.n,
        warnings=(f"{w.isolates.size} of {w.n} units have no neighbour",)
        if w.isolates.size
        else (),
    )
