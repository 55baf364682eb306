"""One curve over distance from label a to label b, tested by its global envelope."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pipeline.contracts.errors import InvalidArgument
from pipeline.stats._envelopes import Envelope, rank_envelope
from pipeline.stats._labels import Labels
from pipeline.stats.inference import Floats, require_vector


@dataclass(frozen=True)
class Curve:
    """One curve over distance from label a to label b.

    Parameters
    ----------
    statistic : {"K", "L", "g", "M", "m", "K_d"}
    a, b : hashable
    radii : array of float, shape (radii,)
        In the unit of xy.
    observed : array of float, shape (radii,)
        NaN where undefined: no centre is as far from the edge as the radius (border
        correction), or none has a neighbour (M, m).
    expected : array of float, shape (radii,)
        K, L, g: value for independent homogeneous patterns (pi r^2, r, 1). M, m: 1. K_d: value
        for all points together.
    null_mean : array of float, shape (radii,)
        Mean over the simulated null; NaN without permutations. Compare `observed` with this.
    envelope : Envelope or None
        Global rank envelope under the null; ``lower, upper = envelope``.
    p_global : float
        One p for the whole curve; NaN without permutations.
    correction : str
        Edge correction; "none" for M, m and K_d, which need none.
    bandwidth : float
        Of the kernel, in the unit of xy; NaN where the statistic has none.
    weighted : bool
        Whether sizes were given.
    n, n_a, n_b : int
    null : str
    permutations : int
    seed : str or None
    warnings : tuple of str
    """

    statistic: str
    a: Any
    b: Any
    radii: Floats
    observed: Floats
    expected: Floats
    null_mean: Floats
    envelope: Envelope | None
    p_global: float
    correction: str
    bandwidth: float
    weighted: bool
    n: int
    n_a: int
    n_b: int
    null: str
    permutations: int
    seed: str | None
    warnings: tuple[str, ...]


def require_radii(radii: ArrayLike, most: float | None = None) -> Floats:
    """Return increasing radii >= 0, or say what is wrong with them."""
    values = require_vector(radii, "radii")
    if values.size == 0:
        raise InvalidArgument("radii: expected at least one radius, found none")
    if values[0] < 0 or (np.diff(values) <= 0).any():
        raise InvalidArgument(
            f"radii: expected increasing distances >= 0, found {values[:5].tolist()!r:.60} ..."
        )
    if values[-1] <= 0:
        raise InvalidArgument("radii: expected at least one radius above 0")
    if most is not None and values[-1] > most:
        raise InvalidArgument(
            f"radii: expected at most the longest distance within the window ({most:g}), found "
            f"{values[-1]:g}. Radii above a quarter of its shorter side are rarely of use"
        )
    return values


def with_envelope(
    statistic: str,
    labels: Labels,
    a: Hashable,
    b: Hashable,
    radii: Floats,
    values: Floats,
    expected: Floats,
    *,
    level: float,
    null: str,
    seed: str | None,
    notes: list[str],
    correction: str = "none",
    bandwidth: float = float("nan"),
    weighted: bool = False,
) -> Curve:
    """Make one curve; row 0 of `values` is observed, the others are drawn under the null."""
    permutations = len(values) - 1
    envelope = rank_envelope(values[0], values[1:], level) if permutations else None
    warnings = list(dict.fromkeys(notes))
    lost = int(np.isnan(values).any(axis=0).sum())
    if lost:
        warnings.append(
            f"{lost} of {radii.size} radii are undefined (no centre is as far from the edge, none "
            "has a neighbour, or r = 0) in the observed or a simulated pattern and left out of "
            "the test"
        )
    return Curve(
        statistic=statistic,
        a=a,
        b=b,
        radii=radii,
        observed=values[0].copy(),
        expected=expected,
        null_mean=values[1:].mean(axis=0) if permutations else np.full(radii.size, np.nan),
        envelope=envelope,
        p_global=envelope.p_global if envelope else float("nan"),
        correction=correction,
        bandwidth=bandwidth,
        weighted=weighted,
        n=labels.n,
        n_a=int(labels.counts[labels.position(a)]),
        n_b=int(labels.counts[labels.position(b)]),
        null=null,
        permutations=permutations,
        seed=seed,
        warnings=tuple(warnings),
    )
