"""What all lattice statistics share: their results and the checks of what goes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument, UndefinedStatistic
from pipeline.stats.inference import (
    ExactP,
    Floats,
    Ints,
    adjust,
    arrangements,
    p_from_z,
    require_attainable,
    require_vector,
)
from pipeline.stats.weights import W

# Values whose range is a smaller part of their size differ only by rounding.
_FLAT = 1e-12


@dataclass(frozen=True, eq=False)
class GlobalResult:
    """One figure for the whole area and how it compares with chance.

    Parameters
    ----------
    name : str
        What was computed.
    statistic, expected, variance, z : float
        Observed value; its mean and variance over all permutations (exact, not simulated);
        the standard deviate.
    p_two_sided : float
        From `z` and the normal distribution.
    p_permutation : float
        ``min(1, 2 * smaller tail)`` with ``(r + 1) / (R + 1)``; NaN without permutations.
    simulated : array, shape (permutations,)
        The statistic under the null.
    n, isolates : int
        Units, and how many of them have no neighbour.
    null : str
        The null hypothesis in words.
    permutations : int
        Number of draws R.
    seed : str or None
        State of the generator before the draws.
    warnings : tuple of str
        What a reader must know before quoting the figures.
    """

    name: str
    statistic: float
    expected: float
    variance: float
    z: float
    p_two_sided: float
    p_permutation: float
    simulated: Floats
    n: int
    isolates: int
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class LocalResult:
    """One figure for each unit and how it compares with chance; NaN for isolates.

    Parameters
    ----------
    name : str
        What was computed.
    statistic, expected, variance, z : array, shape (n,)
        Observed value; exact mean and variance under the null; the standard deviate.
    p_two_sided : array, shape (n,)
        From `z` and the normal distribution.
    p_permutation : array, shape (n,)
        ``min(1, 2 * smaller tail)`` with ``(r + 1) / (R + 1)``; NaN without permutations.
    q : array, shape (n,)
        `p_permutation` (`p_two_sided` without permutations) adjusted over the `family`.
    family : int
        Number of tests `q` is adjusted for.
    fdr : str
        "bh" or "by".
    quadrant : array of int, shape (n,), or None
        1 high among high, 2 low among high, 3 low among low, 4 high among low; 0 isolate.
    n : int
        Units.
    isolates : array of int
        Positions of the units without a neighbour.
    null, permutations, seed, warnings
        As in :class:`GlobalResult`.
    """

    name: str
    statistic: Floats
    expected: Floats
    variance: Floats
    z: Floats
    p_two_sided: Floats
    p_permutation: Floats
    q: Floats
    family: int
    fdr: str
    quadrant: NDArray[np.int8] | None
    n: int
    isolates: Ints
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]

    @property
    def p(self) -> Floats:
        """The p-values that `q` adjusts."""
        return self.p_permutation if self.permutations else self.p_two_sided


@dataclass(frozen=True, eq=False)
class LocalCounts:
    """Local join counts with exact p-values; NaN where the unit itself is not marked.

    Parameters
    ----------
    name : str
        What was counted.
    statistic, expected, variance : array, shape (n,)
        Marked neighbours; mean and variance of their hypergeometric distribution.
    exact : ExactP
        Tails, two-sided p and mid-p, each of shape (n,).
    q : array, shape (n,)
        The exact two-sided p adjusted over the `family`.
    family, fdr, n, isolates, null, warnings
        As in :class:`LocalResult`.
    permutations : int
        Always 0: the null distribution is known.
    seed : None
        No chance is involved.
    """

    name: str
    statistic: Floats
    expected: Floats
    variance: Floats
    exact: ExactP
    q: Floats
    family: int
    fdr: str
    n: int
    isolates: Ints
    null: str
    warnings: tuple[str, ...]
    permutations: int = 0
    seed: None = None

    @property
    def p(self) -> Floats:
        """The exact two-sided p-values, which `q` adjusts."""
        return self.exact.two_sided


def require_values(y: ArrayLike, w: W, name: str) -> Floats:
    """Finite values in the order of the weights' units."""
    require_weights(w)
    require_order(y, w, name)
    return require_vector(y, name, w.n)


def require_order(y: Any, w: W, name: str) -> None:
    """Refuse a Series whose index is not that of the weights."""
    index = getattr(y, "index", None)
    if w.ids is None or index is None or callable(index):
        return
    labels = np.asarray(index)
    if labels.shape != w.ids.shape or not (labels == w.ids).all():
        same = labels.shape == w.ids.shape and set(labels.tolist()) == set(w.ids.tolist())
        raise InvalidArgument(
            f"{name}: expected the index of the weights' ids in their order, found "
            + ("another order. " if same else "other ids. ")
            + f"Use {name}.reindex(w.ids)"
        )


def require_weights(w: W) -> None:
    """Refuse what is not weights, or weights without a link."""
    if not isinstance(w, W):
        raise InvalidArgument(
            f"w: expected pipeline.stats.weights.W, found {type(w).__name__}. "
            "Use weights.from_graph for a libpysal Graph"
        )
    if w.links == 0:
        raise UndefinedStatistic(
            f"w: expected at least one link, found {w.n} isolates. Widen the neighbourhood"
        )


def require_variation(y: Floats, name: str) -> Floats:
    """Deviations from the mean of values that differ and can be told from chance."""
    span = float(np.ptp(y))
    if span <= _FLAT * float(np.abs(y).max(initial=0.0)):
        raise UndefinedStatistic(
            f"{name}: expected values that differ, found {y[0]:g} for all {y.size} units"
        )
    if y.size < 40:  # n units that are not all alike have at least n arrangements
        require_attainable(arrangements(y))
    return y - y.mean()


def isolate_warnings(w: W) -> list[str]:
    """Say how many units have no neighbour."""
    count = w.isolates.size
    return [f"{count} of {w.n} units have no neighbour"] if count else []


def deviates(statistic: Floats, expected: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return standard deviates and two-sided p; NaN and 1 where the statistic cannot vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(variance > 0, (statistic - expected) / np.sqrt(variance), np.nan)
    return z, np.where(np.isnan(z) & ~np.isnan(statistic), 1.0, p_from_z(z))


def family_q(p: Floats, fdr: str) -> tuple[Floats, int]:
    """Adjust over the tests made, refusing an unknown method first."""
    return adjust(p, fdr)  # type: ignore[arg-type]
